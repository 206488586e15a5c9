"""Whatever passes for a name or an id, it reaches its own key, file and row, and no other."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from celeriac import AsyncResult, Celeriac, Middleware
from celeriac.beat.entry import check_schedule_name
from celeriac.broker import Schedule, ScheduleChange, WorkerInfo
from celeriac.brokers import connect
from celeriac.brokers.redis.keys import Keys, check_namespace
from celeriac.brokers.sqlite.place import Place
from celeriac.errors import ConfigurationError, InvalidName
from celeriac.lanes import Limit, lane_of
from celeriac.message import Message, Unique, check_id, check_queue_name, check_task_name

ids = st.from_regex(r"[\w.:@+=~\-]{1,128}", fullmatch=True)
queues = ids
tasks = st.from_regex(r"[\w.:/@<>\-]{1,255}", fullmatch=True)
schedules = st.text(min_size=1, max_size=200).filter(lambda name: name.isprintable() and name.strip() == name)
anything = st.text(st.characters(), max_size=40)  # lone surrogates too
lanes = st.builds(lane_of, tasks, st.none() | anything)
priorities = st.integers(0, 9)
TRICKS = [
    *("..", ".", "a:b", "9:a", "t:1", "schema", "counts", "*", "[a]", "}", "{a}:", "a b", "a\nb"),
    *("'; drop table task; --", '"', "%s", "?1", "\\"),
]

# Each kind of key with what it is made of.
KINDS = {
    "record": (ids,),
    "children": (ids,),
    "parents": (ids,),
    "line": (queues, priorities),
    "parked": (queues, tasks),
    "unknown": (queues,),
    "worker": (ids,),
    "running": (ids,),
    "stops": (ids,),
    "names": (ids,),
    "bell": (ids,),
    "hungry": (queues,),
    "unique": (lanes,),
    "lane": (lanes,),
    "held": (lanes, queues, priorities),
    "holding": (queues,),
    "schedule": (schedules,),
    "channel": (ids,),
    "teller": (ids,),
    "log": (ids, st.integers(1, 1000)),
    "commands": (ids,),
    "tally": (st.sampled_from([0, 60, 3600]), st.integers(0, 2**33)),
    "tallies": (st.sampled_from([60, 3600, 86400]),),
}
made = st.sampled_from(sorted(KINDS)).flatmap(lambda kind: st.tuples(st.just(kind), st.tuples(*KINDS[kind])))
KEYS = Keys("shop")
FIXED = {KEYS.schema, KEYS.counts, KEYS.due, KEYS.expiry, KEYS.workers, KEYS.ended, KEYS.freed}
FIXED |= {KEYS.parking, KEYS.paused, KEYS.schedules, KEYS.secret, KEYS.wakes}


def test_every_key_of_redis_is_among_those_that_are_tried_here():
    methods = {name for name, made in vars(Keys).items() if callable(made) and not name.startswith("_")}

    assert methods - {"kind"} == set(KINDS)


@given(made, made)
def test_two_things_never_have_one_key_and_none_has_a_key_of_the_store_itself(one, other):
    (kind, parts), (other_kind, other_parts) = one, other
    key, other_key = getattr(KEYS, kind)(*parts), getattr(KEYS, other_kind)(*other_parts)

    assert (key == other_key) is (one == other)
    assert key.startswith("{shop}:")
    assert key not in FIXED


@given(st.from_regex(r"[\w.:@+=~/-]{1,64}", fullmatch=True), made)
def test_no_name_reaches_another_namespace(namespace, one):
    kind, parts = one
    try:
        other = Keys(check_namespace(namespace))
    except ConfigurationError:
        return
    if namespace != "shop":
        assert getattr(other, kind)(*parts) != getattr(KEYS, kind)(*parts)
        assert not getattr(other, kind)(*parts).startswith(KEYS.root)


@given(tasks, anything, tasks, anything)
@example("a", "x" * 200, "a", lane_of("a", "x" * 200).partition("#")[2])
@example("a", "\ud800", "a", "\\ud800")
def test_two_keys_of_a_limit_or_a_unique_task_never_have_one_name(task, key, other_task, other_key):
    name = lane_of(task, key)

    assert (name == lane_of(other_task, other_key)) is ((task, key) == (other_task, other_key))
    assert re.fullmatch(r"\S+", name)
    assert Limit.parse(str(Limit(name))) == Limit(name)


def refusal_of(check: Callable[[str], str], name: str) -> str:
    """What is said of *name* if it is refused; "" if it passes."""
    try:
        check(name)
    except InvalidName as error:
        return str(error)
    return ""


@pytest.mark.parametrize("check", [check_id, check_queue_name, check_task_name])
@given(name=anything)
def test_what_passes_has_nothing_that_a_store_or_a_path_could_act_on(check, name):
    refusal = refusal_of(check, name)

    assert refusal.isprintable()
    assert len(refusal) < 300
    if not refusal:
        assert name.encode()
        assert not re.search(r"[\s\0-\x1f\x7f{}'\"`\\;*?\[\]$%&|]", name)
        assert check is check_task_name or not re.search(r"[/<>]", name)


@given(name=anything)
def test_what_passes_for_a_schedule_can_be_seen_and_written(name):
    refusal = refusal_of(check_schedule_name, name)

    assert refusal.isprintable()
    assert refusal or (name.isprintable() and name.encode())


@given(anything)
@example("..")
@example("../../etc/passwd")
@example("a/../../b")
def test_files_of_workers_stay_in_their_directory(name):
    place = Place(Path("/var/lib/shop/celeriac.db"))

    for path in (place.lock(name), place.bell(name)):
        assert path.parent == place.locks
        assert os.path.normpath(path) == str(path)
        assert len(path.name) < 64


@pytest.fixture(params=["memory", "sqlite"])
def broker(request, tmp_path):
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/shop.db"
    broker = connect(url)
    yield broker
    broker.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.one_of(ids, st.sampled_from(TRICKS)), min_size=3, max_size=3, unique=True),
    task=st.one_of(tasks, st.sampled_from(TRICKS)),
)
def test_a_store_keeps_and_returns_every_name_as_it_is(broker, names, task):
    first, second, queue = names
    unique = Unique(lane_of("t", first))
    broker.forget(names)
    broker.send([Message(first, task, queue), Message(second, task, queue, unique=unique)], 1.0)
    broker.enlist(WorkerInfo(first, first, names=frozenset({task}), queues=(queue,)), 1.0)
    broker.advance([ScheduleChange(first, "", Schedule(first, b"{}", 1.0, token="1"))], 1.0)

    claims = broker.exchange(first, trip=1, want=5, now=1.0).claims
    found = broker.get([first, second, "nobody's"])

    claimed = {(each.id, each.name, each.queue) for each in claims}
    assert claimed == {(first, task, queue), (second, task, queue)}
    assert [each and each.id for each in found] == [first, second, None]
    assert [each.name for each in broker.schedules([first])] == [first]
    broker.retire([first], 1.0)
    broker.cancel([first, second], 1.0)
    broker.forget([first, second])
    broker.advance([ScheduleChange(first, "1", None)], 1.0)


# --- the ways in ----------------------------------------------------------------------------------------


HOSTILE = ["../x", "a b", "a\0b", "a\ud800", "{x}", "'; drop table task; --", "", "x" * 300]


@pytest.fixture
def app() -> Celeriac:
    return Celeriac("shop", broker="memory://", set_as_current=False)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "call",
    [
        lambda app, name: AsyncResult(name, app),
        lambda app, name: app.AsyncResult(name),
        lambda app, name: app.GroupResult(name),
        lambda app, name: list(app.updates([name])),
        lambda app, name: app.explain(name),
        lambda app, name: app.reschedule(name),
        lambda app, name: app.pause(name),
        lambda app, name: app.resume(name),
        lambda app, name: app.send_task(name),
        lambda app, name: app.send_task("shop.add", task_id=name),
        lambda app, name: app.send_task("shop.add", queue=name) if name else check_queue_name(name),
    ],
)
def test_no_way_in_takes_a_hostile_name(app, call, name):
    if name == "../x":
        name = "..\\x"  # a task's name may have slashes
    with pytest.raises(InvalidName, match="letters, digits"):
        call(app, name)


@pytest.mark.parametrize("field", ["id", "name", "queue"])
def test_middleware_cannot_give_a_call_a_hostile_name(app, field):
    from msgspec.structs import replace

    class Careless(Middleware):
        def before_publish(self, message: Message) -> Message:
            return replace(message, **{field: "mail {tenant}"})

    app.add_middleware(Careless())

    with pytest.raises(InvalidName):
        app.send_task("shop.add")
