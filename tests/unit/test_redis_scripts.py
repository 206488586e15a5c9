"""The Lua scripts: each has its header, compiles on every server, and names keys as `keys.py` does."""

import re
from pathlib import Path

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers import redis
from celeriac.brokers.redis import RedisBroker, scripts
from celeriac.brokers.redis.keys import Keys
from celeriac.clock import ManualClock
from celeriac.steering import Command, Line
from celeriac.testing.contract.given import Courier, a_message, messages, retry, rings, succeeded

LUA = Path(redis.__file__).parent / "lua"
KEYS = Keys("celeriac")


def test_every_file_is_a_script_and_every_script_a_file():
    assert sorted(path.stem for path in LUA.glob("*.lua")) == sorted(scripts.NAMES)


@pytest.mark.parametrize("path", sorted(LUA.glob("*.lua")), ids=lambda path: path.stem)
def test_a_scripts_header_is_enough_to_call_it(path):
    header = "".join(re.findall(r"^--.*\n", path.read_text(), re.MULTILINE))

    for part in ("-- KEYS", "-- Reply:", "-- Atomic:", "-- include: keys"):
        assert part in header
    assert header[3].isupper()


@pytest.mark.parametrize("name", scripts.NAMES)
def test_a_script_compiles_and_is_known_by_its_own_sum(redis_server, name):
    script = scripts.script(name)

    assert redis_server.cli("SCRIPT", "LOAD", script.source) == script.sha


def test_lua_names_keys_as_python_does(redis_server):
    asked = {
        "line_key('q', '3')": KEYS.line("q", 3),
        "RECORD .. 'i'": KEYS.record("i"),
        "hungry_key('q')": KEYS.hungry("q"),
        "parked_key('q', 'n')": KEYS.parked("q", "n"),
        "unknown_key('q')": KEYS.unknown("q"),
        "worker_key('w')": KEYS.worker("w"),
        "running_key('w')": KEYS.running("w"),
        "stops_key('w')": KEYS.stops("w"),
        "names_key('w')": KEYS.names("w"),
        "bell_key('w')": KEYS.bell("w"),
        "news_channel('l')": KEYS.channel("l"),
        "TALLY.bucket(60, 120)": KEYS.tally(60, 120),
        "TALLY.moments(60)": KEYS.tallies(60),
        "TALLY.teller('t')": KEYS.teller("t"),
        "COUNTS": KEYS.counts,
        "DUE": KEYS.due,
        "EXPIRY": KEYS.expiry,
        "WORKERS": KEYS.workers,
        "PARKED": KEYS.parking,
        "DEAD": KEYS.dead,
        "INDEX.ends": KEYS.ends,
        "INDEX.trimmed": KEYS.trimmed,
        "INDEX.waiting": KEYS.waiting,
        "ACTIVITY": KEYS.activity,
        "log_key('i', '2')": KEYS.log("i", 2),
        "commands_key('w')": KEYS.commands("w"),
    }
    source = (LUA / "include" / "keys.lua").read_text() + f"return {{ {', '.join(asked)} }}"

    answered = redis_server.cli("EVAL", source, len(KEYS.shared), *KEYS.shared, KEYS.root, 1, "1 1", 0)

    assert answered == list(asked.values())


def test_all_keys_have_one_hash_tag_and_a_type(redis_server):
    given_every_kind_of_key(redis_server)
    redis_server.cli("DEL", "celeriac")

    for key in redis_server.cli("KEYS", "*"):
        assert key.startswith("{celeriac}:")
        assert redis_server.cli("TYPE", key) == KEYS.kind(key)


def test_all_keys_end_with_what_they_stand_for(redis_server):
    clock = given_every_kind_of_key(redis_server)
    broker = RedisBroker(redis_server.url)
    clock.advance(1000)

    broker.tend(clock.now())
    everything = Courier(
        broker, clock, "last", names=("shop.add", "shop.strange"), queues=("default", "other")
    )
    everything.trip(*map(succeeded, everything.claim_all()))
    broker.retire([everything.id], clock.now())
    broker.close()

    left = redis_server.cli("KEYS", "*")
    lasting = [key for key in left if redis_server.cli("PTTL", key) < 0]
    assert lasting == [KEYS.schema]
    # Finished records and the list of them, which end by themselves.
    assert {KEYS.kind(key) for key in left} == {"hash", "list", "string"}


def given_every_kind_of_key(server) -> ManualClock:
    server.flush()
    clock = ManualClock()
    broker = RedisBroker(server.url)
    busy, idle = Courier(broker, clock, "busy"), Courier(broker, clock, "idle", queues=("other",))
    broker.send(
        [*messages(3), a_message(expires=clock.now() + 5), a_message(eta=clock.now() + 5)], clock.now()
    )
    broker.send([a_message(name="shop.strange", queue="other")], clock.now())
    broker.bell(idle.id)
    assert idle.claim() == []
    first, second = busy.claim(2)
    busy.trip(retry(first, clock.now() + 9))
    broker.cancel([second.id], clock.now(), terminate=True)
    broker.write_log(busy.id, [Line(second.id, second.fence, clock.now(), 20, b"said")], clock.now())
    broker.command([idle.id], Command("drain"), clock.now())
    broker.close()
    kinds = {key.split(":")[1] for key in server.cli("KEYS", "*")}
    assert kinds == {
        "schema", "counts", "due", "expiry", "workers", "parked",
        "t", "q", "p", "u", "w", "r", "s", "n", "b", "h", "o", "j",
    }  # fmt: skip
    return clock


def test_a_worker_that_enlists_again_elsewhere_can_be_rung_there(redis_server):
    redis_server.flush()
    clock, broker = ManualClock(), RedisBroker(redis_server.url)
    worker = Courier(broker, clock, queues=("one",))
    bell = broker.bell(worker.id)
    worker.claim()
    broker.enlist(WorkerInfo(worker.id, "w", queues=("two",), names=frozenset(["shop.add"])), clock.now())
    worker.claim()
    bell.arm(True)

    broker.send([a_message(queue="two")], clock.now())

    assert rings(bell)
    bell.close()
    broker.close()


def test_only_an_idle_worker_that_knows_the_name_is_rung_when_a_task_is_parked(redis_server):
    redis_server.flush()
    clock, broker = ManualClock(), RedisBroker(redis_server.url)
    knowing = Courier(broker, clock, "knowing", names=("shop.strange",))
    others = [Courier(broker, clock, f"other-{number}") for number in range(5)]
    elsewhere = Courier(broker, clock, "elsewhere", names=("shop.strange",), queues=("mail",))
    broker.send([a_message(name="shop.strange")], clock.now())
    bells = [broker.bell(worker.id) for worker in (knowing, *others[1:], elsewhere)]
    hungry = {knowing.id, elsewhere.id, *(worker.id for worker in others[1:])}
    for worker in hungry:
        redis_server.cli("HSET", KEYS.worker(worker), "h", "1")
        redis_server.cli("SADD", KEYS.hungry("mail" if worker == elsewhere.id else "default"), worker)

    assert others[0].claim() == []

    rung = {worker for worker in hungry if redis_server.cli("EXISTS", KEYS.bell(worker))}
    assert rung == {knowing.id}
    assert len(redis_server.cli("SMEMBERS", KEYS.hungry("default"))) == 4
    assert len(knowing.claim()) == 1
    for bell in bells:
        bell.close()
    broker.close()


def test_queues_and_names_with_colons_are_parked_apart(redis_server):
    redis_server.flush()
    clock, broker = ManualClock(), RedisBroker(redis_server.url)
    ignorant = Courier(broker, clock, "ignorant", queues=("a", "a:b"))
    left = Courier(broker, clock, "left", names=("b:c",), queues=("a",))
    right = Courier(broker, clock, "right", names=("c",), queues=("a:b",))
    one, other = a_message(name="b:c", queue="a"), a_message(name="c", queue="a:b")
    broker.send([other, one], clock.now())
    assert ignorant.claim_all() == []

    assert [task.id for task in right.claim(5)] == [other.id]
    assert [task.id for task in left.claim(5)] == [one.id]
    assert redis_server.cli("EXISTS", KEYS.parking) == 0
    broker.close()
