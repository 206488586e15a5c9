"""Records as fields: lean where it can be, exact where it must be."""

import pytest

from celeriac.brokers.redis import RedisBroker, wire
from celeriac.brokers.redis.keys import Keys
from celeriac.message import Message, new_ids
from celeriac.outcome import Settlement
from celeriac.states import State, Verdict

MOMENT = 1_700_000_000.123_456_7


def fields_of(message: Message) -> list:
    _, _, _, _, _, _, _, _, values, *rest = wire.grouped([message])
    return rest[:values]


def test_only_what_differs_from_the_default_is_written():
    assert fields_of(Message("i", "n", created=MOMENT)) == ["c", MOMENT, "n", "n"]


def test_what_neighbours_have_in_common_is_written_once_and_their_order_is_kept():
    places = [("a", 1), ("a", 1), ("default", 0), ("a", 1)]
    given = [Message(f"i{number}", "n", *place) for number, place in enumerate(places)]

    assert wire.grouped([*given, given[1]]) == [
        *("a", 1, 2, "", "", "", 0, 0, 6, "c", 0.0, "n", "n", "q", "a 1", "i0", "i1"),
        *("default", 0, 1, "", "", "", 0, 0, 4, "c", 0.0, "n", "n", "i2"),
        *("a", 1, 1, "", "", "", 0, 0, 6, "c", 0.0, "n", "n", "q", "a 1", "i3"),
    ]


def test_what_neighbours_have_for_themselves_is_written_beside_their_ids():
    given = [
        Message("a", "n", payload=b"x", created=1.0),
        Message("b", "n", payload=b"y", created=1.0),
        Message("c", "n", created=1.0),
        Message("d", "n", created=2.0),
    ]

    assert wire.grouped(given) == [
        *("default", 0, 2, "", "", "", 0, 1, 4, "c", 1.0, "n", "n", "a", b"x", "b", b"y"),
        *("default", 0, 2, "", "", "", 1, 0, 2, "n", "n", "c", 1.0, "d", 2.0),
    ]


def test_settlements_are_written_in_runs_of_one_verdict():
    given = [
        Settlement("a", 1, Verdict.SUCCEEDED, b"x"),
        Settlement("b", 2, Verdict.SUCCEEDED, b"y"),
        Settlement("c", 3, Verdict.RETRY, b"z", 5.5),
        Settlement("d", 4, Verdict.SUCCEEDED),
        Settlement("e", 4, Verdict.SUCCEEDED),
    ]

    assert wire.settlements(given) == [
        *(1, 2, "1 2", 1, "a", "b", b"x", b"y"),
        *(4, 1, 3, 1, "c", b"z", 5.5),
        *(1, 2, 4, 0, "d", "e"),
    ]


@pytest.mark.parametrize("moment", [0.1 + 0.2, MOMENT, 1e-300, 5e-324, 2.0**53 + 2, 0.0, 1e22, -1.5])
def test_times_come_back_exactly(redis_server, moment):
    broker = RedisBroker(f"{redis_server.url}?namespace=exact&clock=caller")
    message = Message(new_ids(1, 0.0)[0], "n", created=moment, expires=moment + 1e6)

    broker.send([message], moment)

    [record] = broker.get([message.id])
    assert record.message == message
    broker.close()


def test_a_record_without_fields_is_none():
    assert wire.record("i", []) is None


def test_a_parked_task_is_queued():
    assert wire.record("i", [b"n", b"n", b"c", b"1", b"s", b"p"]).state is State.QUEUED


@pytest.mark.parametrize(
    "fields", [[b"s", b"3"], [b"n", b"n", b"c", b"x"], [b"n", b"n", b"c", b"1", b"j", b"x"]]
)
def test_a_broken_record_is_failed(fields):
    record = wire.record("i", fields)

    assert record.state is State.FAILED
    assert record.error == wire.BROKEN


@pytest.mark.serial
def test_a_queued_no_op_takes_little_memory(redis_server):
    redis_server.flush()
    broker = RedisBroker(redis_server.url)
    broker.open()
    before = redis_server.cli("INFO", "memory")["used_memory"]

    for start in range(0, 100_000, 1000):
        ids = new_ids(1000, MOMENT + start)
        broker.send([Message(task_id, "shop.tasks.noop", created=MOMENT) for task_id in ids], MOMENT)

    used = redis_server.cli("INFO", "memory")["used_memory"] - before
    assert used / 100_000 <= 250
    assert redis_server.cli("OBJECT", "ENCODING", Keys("celeriac").record(ids[0])) in ("listpack", "ziplist")
    redis_server.flush()
    broker.close()
