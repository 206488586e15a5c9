"""Bytes that somebody else has written: each of these was once an error that nobody caught, or a loop."""

import socket
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from celeriac import Celeriac, attempts
from celeriac.beat.entry import Memory, decode_entry, decode_memory, encode
from celeriac.beat.rules import Cron, Interval, every
from celeriac.beat.ticker import Ticker
from celeriac.broker import Schedule, ScheduleChange
from celeriac.brokers.redis import wire
from celeriac.brokers.sqlite.rows import record
from celeriac.brokers.sqlite.transaction import from_json, limit_of
from celeriac.clock import ManualClock
from celeriac.errors import DecodeError, InvalidMessage, StoreCorrupt
from celeriac.jobs import TaskJob
from celeriac.outcome import decode_error
from celeriac.states import State
from celeriac.worker import isolated
from celeriac.worker.channel import Channel
from celeriac.worker.supervisor import Supervisor
from tests.fuzz.targets import ATTEMPTS, ROW


@pytest.fixture
def app() -> Celeriac:
    app = Celeriac("shop", broker="memory://", set_as_current=False)

    @app.task(name="shop.add")
    def add(x: int = 0, y: int = 0, *more: object) -> int:
        return x + y

    return app


# --- schedules ------------------------------------------------------------------------------------------


@pytest.fixture
def kept(app: Celeriac) -> Schedule:
    app.schedules.add("good", every(seconds=60), app.tasks["shop.add"])
    [kept] = app.broker.schedules()
    return kept


@pytest.mark.parametrize(
    "changes",
    [
        {"rule": Interval(0.0)},
        {"rule": Interval(-60.0)},
        {"rule": Interval(1e-300)},
        {"rule": Cron("*/0 * * * *")},
        {"rule": Cron("whenever you like")},
        {"rule": Cron("0 0 31 2 *")},
        {"rule": Cron("* * * * *", timezone="../../../etc/passwd")},
        {"messages": ()},
        {"end": "nothing"},
        {"grace": -1.0},
        {"max_jitter": 1e300},
    ],
    ids=str,
)
def test_a_stored_schedule_that_nobody_could_have_made_is_not_understood(kept, changes):
    entry = replace(decode_entry(kept.entry, "good"), **changes)

    with pytest.raises(DecodeError, match="the schedule 'good' cannot be read"):
        decode_entry(encode(entry), "good")


@pytest.mark.parametrize("changes", [{"name": "a b"}, {"queue": "a b"}, {"id": "a/b"}, {"priority": 99}])
def test_what_a_stored_schedule_sends_has_names_that_a_store_may_see(kept, changes):
    entry = decode_entry(kept.entry, "good")
    entry = replace(entry, messages=(replace(entry.messages[0], **changes),))

    with pytest.raises(DecodeError):
        decode_entry(encode(entry), "good")


def test_an_empty_schedule_is_not_understood():
    with pytest.raises(DecodeError, match="it is empty"):
        decode_entry(b"", "good")


@pytest.mark.parametrize("moment", [-1.0, 1e300])
def test_a_moment_that_no_calendar_has_is_not_understood(moment):
    with pytest.raises(DecodeError, match="out of range"):
        decode_memory(encode(Memory(next=moment)), "good")


def test_beat_goes_on_with_the_others_when_it_does_not_understand_one(app, kept):
    clock = ManualClock(kept.due + 1.0)
    for name, entry in [
        ("empty", b""),
        ("endless", encode(replace(decode_entry(kept.entry, ""), rule=Interval(0.0)))),
    ]:
        bad = Schedule(name, entry, due=clock.now(), token="x")
        app.broker.advance([ScheduleChange(name, "", bad)], clock.now())

    assert Ticker(app.broker, clock).tick() == 1


# --- what the stores give -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        [b"soon", b"", b"", b"", b"", [], [], []],
        [b"", b"", b"", b"shop.add mail x 1 1", b"t1", [], [], []],
        [b"", b"", b"", b"shop.add mail", b"t1", [], [], []],
        [b"", b"", b"", b"\xff mail 1 1 1", b"t1", [], [], []],
        [b""],
    ],
)
def test_a_reply_of_redis_that_cannot_be_read_is_a_corrupt_store(reply):
    with pytest.raises(StoreCorrupt, match="something else has written to it"):
        wire.exchanged(reply)


def test_a_broken_tally_of_one_claim_does_not_keep_the_others_from_their_worker():
    answer = wire.exchanged(
        [b"", b"", b"", b"shop.add mail 0 1 2", b"t1 t2", [], [[0, b"one two", b"{}"]], []]
    )

    assert [(claim.id, claim.retries) for claim in answer.claims] == [("t1", 0), ("t2", 0)]


def test_a_schedule_in_redis_with_broken_fields_is_never_due():
    found = wire.schedule([b"\xffname", b"{}", b"soon", b"", b"0", b"\xfftoken"])

    assert (found.name, found.due) == ("\ufffdname", None)


@pytest.mark.parametrize("described", [b"", b"{}", b"\xff", b'{"id":1}', b"[" * 10_000])
def test_a_worker_that_cannot_be_read_is_left_out(described):
    assert wire.worker(described, b"1.5", b"2.5", 0, b"") is None


def test_counts_that_cannot_be_read_are_left_out():
    counts = [(b"r:mail", b"many"), (b"\xff:mail", b"1"), (b"r:mail", b"-3")]

    assert list(wire.counted(counts)) == [("\ufffd", "mail", 1), ("r", "mail", 0)]


@pytest.mark.parametrize("limit", ["one", "a b c d", b"bytes", 7])
def test_a_row_with_a_damaged_limit_is_a_failed_record(limit):
    damaged = record((*ROW[:-1], limit))

    assert damaged.state is State.FAILED
    with pytest.raises(StoreCorrupt, match="is damaged"):
        limit_of(limit)


@pytest.mark.parametrize(
    "damaged", [b"{", b"[1]", b'[{"fence":"x"}]', b'[{"x":' + b"[" * 100_000, "text", None, 7]
)
def test_a_row_with_damaged_attempts_is_a_failed_record(damaged):
    place = ROW.index(attempts.written(ATTEMPTS))

    found = record((*ROW[:place], damaged, *ROW[place + 1 :]))

    assert found.state is State.FAILED
    assert "is damaged" in decode_error(found.error).message


@pytest.mark.parametrize(
    "field",
    [b"1 2", b"1 a 2 4 w 0\n", b"1 1.5 2.5 99 w 0\n", b"1 1.5 2.5 4 w 9\nx", b"1 1.5 2.5 4 w -17\n", b"\xff"],
)
def test_a_redis_record_with_damaged_attempts_is_a_failed_record(field):
    fields = [b"n", b"shop.add", b"c", b"1.5", b"A", field]

    assert wire.record("t1", fields).state is State.FAILED


def test_a_list_of_names_that_is_no_text_is_empty():
    assert from_json("\ud800") == from_json(7) == []  # type: ignore[arg-type]


# --- what processes tell each other ---------------------------------------------------------------------


@pytest.fixture
def line():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize("said", [b"hello\n", b"[1]\n", b'{"kind\xff":1}\n', b"[" * 5_000 + b"\n", b"7\n"])
def test_who_says_nonsense_on_the_channel_counts_as_gone(line, said):
    ours, theirs = line
    theirs.sendall(said)

    assert Channel(ours).receive() is None


@pytest.mark.parametrize(
    "said",
    [
        b'{"kind":"shout"}',
        b"{}",
        b'{"kind":"ended"}',
        b'{"kind":"hello"}',
        b'{"kind":"__class__"}',
        b'{"kind":7}',
    ],
)
def test_a_task_that_writes_to_the_channel_does_not_end_the_supervisor(line, said):
    ours, theirs = line
    theirs.sendall(said + b"\n")
    supervisor = Supervisor("shop", connect=lambda *_, **__: None)
    child = SimpleNamespace(channel=Channel(ours), connected=True, index=0, hello=None)

    supervisor._hear(child)

    assert not child.connected


def test_a_task_that_writes_to_its_own_pipe_has_lost_its_process():
    child = SimpleNamespace(pipe=SimpleNamespace(recv_bytes=lambda: b"\x82\xa4type\xa6_Unfit\xa6reason\xff"))

    with pytest.raises(isolated._Lost, match="nonsense"):
        isolated._heard(child)


def test_an_errback_without_a_failure_before_its_arguments_is_an_invalid_message(app):
    with pytest.raises(InvalidMessage, match="nothing tells of a failure"):
        TaskJob(app.tasks["shop.add"], app.conf).load_failure(b"[[],{}]")
