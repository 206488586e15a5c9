"""A record whose bytes are impossible harms nobody but itself."""

import sqlite3
from contextlib import closing

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.message import Message
from celeriac.outcome import decode_error
from celeriac.states import State

NOW = 1_700_000_000.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shop.db"


@pytest.fixture
def broker(path):
    broker = SqliteBroker(f"sqlite:///{path}")
    broker.send([Message("broken", "shop.add"), Message("sound", "shop.add")], NOW)
    broker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
    yield broker
    broker.close()


def damage(path, statement):
    """Write what no verb would write, as a failing disk might."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma ignore_check_constraints = on")
        connection.execute(statement)
        connection.commit()


def claimed(broker):
    return [task.id for task in broker.exchange("w", trip=1, want=5, now=NOW).claims]


@pytest.mark.parametrize("state", [7, 8, 99, -1])
def test_an_impossible_state_makes_a_failed_record(path, broker, state):
    damage(path, f"insert into tasks (seq, state, queue) values (1, {state}, 'default')")

    broken, sound = broker.get(["broken", "sound"])

    assert broken.state is State.FAILED
    assert "damaged" in decode_error(broken.error).message
    assert sound.state is State.QUEUED
    assert claimed(broker) == ["sound"]


def test_a_name_that_is_no_text_makes_a_failed_record(path, broker):
    damage(path, "update messages set name = cast(x'ff00fe' as text) where id = 'broken'")

    broken, sound = broker.get(["broken", "sound"])

    assert broken.state is State.FAILED
    assert sound.message.name == "shop.add"


def test_a_name_that_is_no_text_does_not_stop_the_queue(path, broker):
    damage(path, "update messages set name = cast(x'ff00fe' as text) where id = 'broken'")

    assert claimed(broker) == ["sound"]
    [queue] = broker.queues()
    assert (queue.running, queue.parked) == (1, 1)


def test_a_message_that_stands_in_no_line_and_has_no_task_is_as_if_it_were_not(path, broker):
    damage(path, "delete from ready where seq = 1")

    assert broker.get(["broken"]) == [None]
    assert claimed(broker) == ["sound"]


def test_opaque_bytes_that_are_no_json_are_kept_as_they_are(broker):
    payload = bytes(range(256))

    broker.send([Message("odd", "shop.add", payload=payload, priority=9)], NOW)

    assert broker.exchange("w", trip=1, want=1, now=NOW).claims[0].payload == payload
