"""The table of `docs/reference/canvas.md`, cell by cell: what becomes of it all when one task does this."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from celeriac import AsyncResult, chain, chord, group
from celeriac.broker import WorkerInfo
from celeriac.states import FAILURE, REVOKED, SUCCESS
from tests.waiting import wait_until

SOON = 20.0  # seconds; nothing here takes that long
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "canvas.md"
CHOSEN = "chosen-beforehand"  # the id of a task that is sent by another one

EVENTS = ("succeeds", "fails", "is retried", "is revoked", "dies")
FOLLOWS = (SUCCESS, FAILURE, SUCCESS, REVOKED, SUCCESS)
# What becomes of the whole, and of what waits for the task or stands beside it, at each event.
EXPECTED = {
    "chain": (FOLLOWS, FOLLOWS),
    "group": (FOLLOWS, (SUCCESS,) * 5),
    "chord": (FOLLOWS, FOLLOWS),
    "link": (FOLLOWS, FOLLOWS),
    "link_error": (FOLLOWS, (REVOKED, SUCCESS, REVOKED, REVOKED, REVOKED)),
    "after": (FOLLOWS, FOLLOWS),
    "map": (FOLLOWS, FOLLOWS),
    "starmap": (FOLLOWS, FOLLOWS),
    "chunks": (FOLLOWS, (SUCCESS,) * 5),
    "replace": (FOLLOWS, FOLLOWS),
    "add_to_chord": (FOLLOWS, FOLLOWS),
}
NAMES_ITS_PARENT = ("chain", "chord", "link", "after", "add_to_chord")  # in its error, when that has failed


@pytest.fixture
def stage(app):
    """Tasks, one of which does what `event` says; it stands in a queue of its own."""
    known = SimpleNamespace(app=app, event="succeeds", runs=[], told=[])

    @app.task(bind=True)
    def culprit(self, *args):
        known.runs.append((self.request.retries, self.request.crashes))
        if known.event == "fails" and 2 not in args:
            raise ValueError("boom")
        if known.event == "is retried" and not self.request.retries:
            raise self.retry(countdown=0)
        return 1

    @app.task
    def other(*args):
        return 2

    @app.task
    def errback(task_id):
        known.told.append(task_id)

    @app.task(bind=True)
    def replaced(self):
        raise self.replace(culprit.s().set(queue="apart", task_id=CHOSEN))

    @app.task(bind=True)
    def adding(self):
        self.add_to_chord(culprit.s().set(queue="apart", task_id=CHOSEN))

    for task in (culprit, other, errback, replaced, adding):
        setattr(known, task.name.rpartition(".")[2], task)
    known.apart = culprit.s().set(queue="apart")
    return known


def send(stage, construct):
    """Send the construct; return the culprit's id, the whole, and what waits for it or stands beside it."""
    apart, other = stage.apart, stage.other
    match construct:
        case "chain":
            whole = chain(apart, other.s()).delay()
            return whole.parent.id, whole, whole
        case "group":
            whole = group(apart, other.s()).delay()
            return whole[0].id, whole, whole[1]
        case "chord":
            whole = chord([apart, other.s()], other.s()).delay()
            return whole.parent[0].id, whole, whole
        case "link" | "link_error":
            callback = other.s() if construct == "link" else stage.errback.s()
            whole = stage.culprit.apply_async(queue="apart", **{construct: callback})
            [waiting] = stage.app.broker.dependants(whole.id)
            return whole.id, whole, AsyncResult(waiting, stage.app)
        case "after":
            first = apart.delay()
            return first.id, first, other.apply_async(after=[first])
        case "map" | "starmap":
            items = [1, 2] if construct == "map" else [(1,), (2,)]
            whole = getattr(stage.culprit, construct)(items).set(queue="apart").delay()
            return whole.id, whole, whole
        case "chunks":
            whole = stage.culprit.chunks([(1,), (2,)], 1).apply_async(queue="apart")
            return whole[0].id, whole, whole[1]
        case "replace":
            whole = stage.replaced.delay()
            return CHOSEN, whole, whole
        case "add_to_chord":
            whole = chord([stage.adding.s(), other.s()], other.s()).delay()
            return CHOSEN, whole, whole


def die_with(stage, task_id):
    """Claim the task as a worker that dies at once."""
    broker, now = stage.app.broker, stage.app.clock.now()
    [record] = broker.get([task_id])
    broker.enlist(WorkerInfo("dead", "dead", queues=("apart",), names=frozenset({record.message.name})), now)
    [claim] = broker.exchange("dead", trip=1, want=1, now=now).claims
    assert claim.id == task_id
    broker.retire(["dead"], now)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("construct", EXPECTED)
def test_each_cell_of_the_table_is_true(stage, construct, event):
    stage.event = event
    broker = stage.app.broker
    culprit, whole, beside = send(stage, construct)
    if culprit == CHOSEN:
        with stage.app.embedded(queues=["default"]):
            wait_until(lambda: broker.get([culprit])[0], what="the task to be sent by another one")
    if event == "is revoked":
        assert AsyncResult(culprit, stage.app).revoke()
    if event == "dies":
        die_with(stage, culprit)

    with stage.app.embedded(queues=["default", "apart"], concurrency=1):
        whole.get(SOON, propagate=False)
        beside.get(SOON, propagate=False)

    states = [expected[EVENTS.index(event)] for expected in EXPECTED[construct]]
    assert [whole.state, beside.state] == states
    if event == "is retried":
        assert (1, 0) in stage.runs
    if event == "dies":
        assert stage.runs[0] == (0, 1)
    if event == "fails" and construct in NAMES_ITS_PARENT:
        error = broker.get([beside.id])[0].error
        assert b"ChordError" in error
        assert culprit.encode() in error
    assert stage.told == ([culprit] if (construct, event) == ("link_error", "fails") else [])


def test_the_page_has_a_row_for_each_construct_and_no_other():
    table = PAGE.read_text().partition("| | all succeed |")[2].partition("\n\n")[0]
    rows = [re.findall(r"`([a-z_]+)", line.split("|")[1]) for line in table.splitlines()[2:]]

    assert sorted(name for row in rows for name in row) == sorted(EXPECTED)
