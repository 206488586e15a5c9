"""What the hot path does not do: write for nothing, or write a payload twice."""

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.brokers.sqlite.transaction import Transaction
from celeriac.message import Message
from celeriac.outcome import Settlement
from celeriac.states import State, Verdict

NOW = 1_700_000_000.0
FRAME = 2_048 + 24  # a page in the write-ahead log


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shop.db"


@pytest.fixture
def broker(path):
    broker = SqliteBroker(f"sqlite:///{path}")
    broker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
    yield broker
    broker.close()


def written(path):
    """Bytes in the write-ahead log: it only grows, until a checkpoint."""
    return path.with_name("shop.db-wal").stat().st_size


def succeeded(task):
    return Settlement(task.id, task.fence, Verdict.SUCCEEDED, b"1")


def test_an_idle_trip_writes_nothing(path, broker):
    broker.exchange("w", trip=1, want=4, now=NOW)  # notes that it is hungry
    before = written(path)

    for trip in range(2, 20):
        broker.exchange("w", trip=trip, want=4, now=NOW)

    assert written(path) == before


def test_an_idle_trip_writes_nothing_while_only_others_know_what_is_parked(path, broker):
    broker.enlist(WorkerInfo("v", "v", names=frozenset({"shop.strange"}), queues=("mail",)), NOW)
    broker.send([Message("a", "shop.strange")], NOW)
    for worker in "wv":
        broker.exchange(worker, trip=1, want=4, now=NOW)
    before = written(path)

    for trip in range(2, 20):
        for worker in "wv":
            broker.exchange(worker, trip=trip, want=4, now=NOW)

    assert written(path) == before


def test_an_idle_trip_that_is_repeated_claims_nothing(broker):
    broker.exchange("w", trip=1, want=4, now=NOW)
    broker.exchange("w", trip=2, want=4, now=NOW)
    broker.send([Message("a", "shop.add")], NOW)

    assert not broker.exchange("w", trip=2, want=4, now=NOW).claims
    assert not broker.exchange("w", trip=1, want=4, now=NOW).claims
    assert len(broker.exchange("w", trip=3, want=4, now=NOW).claims) == 1


def test_tending_when_there_is_nothing_to_do_writes_nothing(path, broker):
    broker.send([Message("a", "shop.add"), Message("b", "shop.add", eta=NOW + 60, expires=NOW + 90)], NOW)
    before = written(path)

    broker.tend(NOW + 1)

    assert written(path) == before


def reads(broker, monkeypatch):
    """Return a list that grows with each transaction that only looks."""
    seen = []
    read = broker._store.read
    monkeypatch.setattr(
        broker._store, "read", lambda work, *rest: (seen.append(work.__name__), read(work, *rest))[1]
    )
    return seen


def test_tending_when_there_is_nothing_to_do_looks_once(broker, monkeypatch):
    looks = reads(broker, monkeypatch)

    broker.tend(NOW)

    assert looks == ["look"]


def test_who_looks_for_the_dead_does_not_ask_the_file_while_all_live(broker, monkeypatch):
    broker.hold_alive("w")
    looks = reads(broker, monkeypatch)

    assert broker.locally_dead() == []

    assert looks == []


def test_a_lone_message_writes_three_pages(path, broker):
    for n in range(9):
        broker.send([Message(f"{n}", "shop.add")], NOW)
    before = written(path)

    broker.send([Message("a", "shop.add")], NOW)

    assert written(path) - before == 3 * FRAME


def test_what_is_claimed_leaves_the_lines_of_all_priorities(broker):
    broker.send([Message(f"{n}", "shop.add", priority=n % 3) for n in range(6)], NOW)

    claims = broker.exchange("w", trip=1, want=4, now=NOW).claims

    assert [task.id for task in claims] == ["2", "5", "1", "4"]
    [queue] = broker.queues()
    assert (queue.queued, queue.running) == (2, 4)


def test_a_task_that_was_watched_before_it_started_keeps_its_place(broker):
    listener = broker.listener()
    broker.send([Message(name, "shop.add") for name in "abc"], NOW)
    listener.watch(["b"])

    claims = broker.exchange("w", trip=1, want=9, now=NOW).claims

    assert [task.id for task in claims] == ["a", "b", "c"]
    assert [task.fence for task in claims] == [1, 1, 1]
    assert listener.wait(0) == {"b"}
    listener.close()


def test_a_task_that_goes_back_and_is_cancelled_leaves_its_line(broker):
    broker.send([Message("a", "shop.add"), Message("b", "shop.add")], NOW)
    first, _ = broker.exchange("w", trip=1, want=2, now=NOW).claims
    broker.exchange("w", trip=2, finished=[Settlement(first.id, first.fence, Verdict.RELEASE)], now=NOW)

    assert broker.cancel(["a"], NOW) == ["cancelled"]

    assert not broker.exchange("w", trip=3, want=9, now=NOW).claims
    assert [(queue.queued, queue.running) for queue in broker.queues()] == [(0, 1)]


def test_a_large_payload_is_written_only_once(path, broker):
    payload = b"x" * 1_000_000
    broker.send([Message("a", "shop.add", payload=payload)], NOW)
    before = written(path)

    [task] = broker.exchange("w", trip=1, want=1, now=NOW).claims
    broker.exchange("w", trip=2, finished=[succeeded(task)], now=NOW)

    assert task.payload == payload
    assert written(path) - before < 100_000


def test_one_late_settlement_among_many_is_found_and_the_others_count(broker):
    broker.send([Message(str(n), "shop.add") for n in range(300)], NOW)
    claims = broker.exchange("w", trip=1, want=300, now=NOW).claims
    late = Settlement(claims[7].id, claims[7].fence + 1, Verdict.SUCCEEDED)
    rest = [succeeded(task) for task in claims if task is not claims[7]]

    answer = broker.exchange("w", trip=2, finished=[*rest, late], now=NOW)

    assert answer.refused == [claims[7].id]
    states = [record.state for record in broker.get([task.id for task in claims])]
    assert states.count(State.SUCCEEDED) == 299
    assert states[7] is State.RUNNING


def test_a_settlement_that_stands_twice_counts_once(broker):
    broker.send([Message("a", "shop.add")], NOW)
    [task] = broker.exchange("w", trip=1, want=1, now=NOW).claims

    answer = broker.exchange("w", trip=2, finished=[succeeded(task), succeeded(task)], now=NOW)

    assert answer.refused == ["a"]
    assert broker.get(["a"])[0].state is State.SUCCEEDED


def test_settling_through_an_object_that_did_not_claim_works_too(path, broker):
    broker.send([Message("a", "shop.add")], NOW)
    [task] = broker.exchange("w", trip=1, want=1, now=NOW).claims
    other = SqliteBroker(f"sqlite:///{path}")

    answer = other.exchange("w", trip=2, finished=[succeeded(task)], now=NOW)
    other.close()

    assert not answer.refused
    assert broker.get(["a"])[0].state is State.SUCCEEDED


@pytest.mark.parametrize("count", [1, 49, 50, 51, 100, 1234])
def test_a_batch_of_any_size_keeps_its_order(broker, count):
    messages = [Message(f"{n:05d}", "shop.add") for n in range(count)]

    assert broker.send(messages, NOW) == count

    claims = broker.exchange("w", trip=1, want=2000, now=NOW).claims
    assert [task.id for task in claims] == [message.id for message in messages]


def test_known_messages_in_a_batch_change_nothing(broker):
    broker.send([Message("b", "shop.add", payload=b"first")], NOW)

    batch = [Message(name, "shop.add", payload=b"second") for name in "abca"]
    assert broker.send(batch, NOW) == 2

    claims = broker.exchange("w", trip=1, want=9, now=NOW).claims
    assert [(task.id, task.payload) for task in claims] == [
        ("b", b"first"),
        ("a", b"second"),
        ("c", b"second"),
    ]


def test_old_news_are_dropped_and_who_slept_through_them_is_told(broker):
    listener = broker.listener()
    broker.send([Message("a", "shop.add")], NOW)
    listener.watch(["a"])
    broker.exchange("w", trip=1, want=1, now=NOW)
    broker.tend(NOW)  # marks how far the news have come

    broker.tend(NOW + 61)

    assert listener.wait(0) is None
    assert listener.wait(0) == set()
    listener.close()


def test_a_listener_that_died_is_forgotten(path, broker):
    listener = broker.listener()
    broker.send([Message("a", "shop.add")], NOW)
    listener.watch(["a"])
    listener._ear.close()  # as a killed process would

    broker.tend(NOW)

    assert broker._store.read(lambda transaction: transaction.all("listeners")) == []
    listener.close()


def test_a_bell_that_died_does_not_swallow_the_ring_for_another(broker):
    bells = []
    for name in "vw":
        broker.enlist(WorkerInfo(name, name, names=frozenset({"shop.add"})), NOW)
        bells.append(broker.bell(name))
        broker.exchange(name, trip=1, want=1, now=NOW)
    first, second = sorted(bells, key=lambda bell: "v" in str(bell._path))
    first._ear.close()  # the worker that is known longest was killed

    broker.send([Message("a", "shop.add")], NOW)

    assert second.heard()
    for bell in bells:
        bell.close()


def test_a_bell_that_died_does_not_swallow_the_ring_for_another_that_knows_what_was_parked(broker):
    bells = []
    for name, known in (("u", "shop.strange"), ("x", "shop.other"), ("v", "shop.strange")):
        broker.enlist(WorkerInfo(name, name, names=frozenset({known})), NOW)
        bells.append(broker.bell(name))
        broker.exchange(name, trip=1, want=0, now=NOW)
    broker.send([Message("a", "shop.strange")], NOW)
    for name in "uv":  # hungry since before it was parked, and not rung for it when it was sent
        broker._store.write(Transaction.run, "exchange_trip", 2, True, name)
    bells[0]._ear.close()  # the worker that is known longest was killed

    broker.exchange("w", trip=1, want=1, now=NOW)

    assert [bell.heard() for bell in bells[1:]] == [False, True]
    for bell in bells:
        bell.close()


def test_a_ring_that_a_worker_did_not_live_to_follow_goes_to_another(broker):
    bells = {}
    for name in "vw":
        broker.enlist(WorkerInfo(name, name, names=frozenset({"shop.add"})), NOW)
        bells[name] = broker.bell(name)
        broker.exchange(name, trip=1, want=1, now=NOW)
    broker.send([Message("a", "shop.add")], NOW)
    [rung] = [name for name, bell in bells.items() if bell.heard()]
    [other] = bells.keys() - {rung}

    broker.retire([rung], NOW)

    assert bells[other].heard()
    for bell in bells.values():
        bell.close()


def test_a_worker_that_was_buried_elsewhere_may_begin_anew_under_its_id(path, broker):
    broker.exchange("w", trip=7, want=1, now=NOW)
    broker.exchange("w", trip=8, want=1, now=NOW)
    other = SqliteBroker(f"sqlite:///{path}")
    other.retire(["w"], NOW)
    other.close()

    broker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
    broker.send([Message("a", "shop.add")], NOW)

    assert len(broker.exchange("w", trip=1, want=1, now=NOW).claims) == 1


def test_a_worker_whose_queues_are_damaged_does_not_stop_those_who_send(broker):
    broker.bell("w").close()
    broker.exchange("w", trip=1, want=1, now=NOW)
    broker._store.write(
        lambda within: within._cursor.execute("update workers set queues = 'oops', address = 'w'")
    )

    assert broker.send([Message("a", "shop.add")], NOW) == 1
    assert broker.workers(NOW)[0].queues == ()
