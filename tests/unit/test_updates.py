"""Adding up what a join brings together, without asking the store too much."""

from types import SimpleNamespace

from celeriac.message import After, Message, Record
from celeriac.states import PENDING, PROGRESS, State
from celeriac.updates import LOOKED_AT, Sums, Together, Update, update_of


class Store:
    """Has one join of two members, and tasks that wait for it; counts what it is asked."""

    def __init__(self):
        self.asked = 0

    def parents(self, id, start=0, count=1_000):
        self.asked += 1
        return ["one", "two"][start : start + count] if id == "join" else ["join"][start:]

    def get(self, ids):
        return [Record(Message(each, "t", after=After(join=True)), State.WAITING) for each in ids]


def waiting(task_id):
    return Record(Message(task_id, "t", after=After()), State.WAITING)


def sums_of(*ids):
    home = SimpleNamespace(broker=Store(), result_type=lambda name: None)
    return home, Sums(home, ids)


def told(home, sums, record):
    return [
        (each.id, each.state, each.current) for each in sums.told(update_of(home, record.id, record), record)
    ]


def test_a_task_that_waits_for_a_join_tells_of_those_that_it_brings_together():
    home, sums = sums_of("body")
    body = waiting("body")
    done, running = (
        Record(Message(each, "t"), state)
        for each, state in (("one", State.SUCCEEDED), ("two", State.RUNNING))
    )

    assert sums.wants("body", body)
    assert sums.members("body", body) == ["one", "two"]
    assert not sums.wants("body", body)
    assert told(home, sums, body) == [("body", PENDING, 0)]
    assert told(home, sums, done) == []  # the other one is not known yet
    assert told(home, sums, running) == [("body", PROGRESS, 1)]


def test_once_it_runs_it_speaks_for_itself():
    home, sums = sums_of("body")
    sums.members("body", waiting("body"))

    assert told(home, sums, Record(Message("body", "t"), State.RUNNING)) == [("body", "STARTED", 0)]

    for member in ("one", "two"):
        assert told(home, sums, Record(Message(member, "t"), State.SUCCEEDED)) == []


def test_only_so_many_are_looked_at():
    ids = [f"task-{n}" for n in range(2 * LOOKED_AT)]
    home, sums = sums_of(*ids)

    for task_id in ids:
        if sums.wants(task_id, waiting(task_id)):
            sums.members(task_id, waiting(task_id))

    assert home.broker.asked <= 3 * LOOKED_AT


def test_shares_are_between_nothing_and_all_of_a_task():
    together = Together("group", ["a", "b"])

    together.note(Update("a", "PROGRESS", {"current": 900, "total": 3}))
    together.note(Update("b", "PROGRESS", {"current": -5, "total": 3}))

    assert together.update().current == 1
