"""The table of moves is the whole life of a task: each row can be made to happen, and nothing else can."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from celeriac.broker import Broker, Report
from celeriac.clock import ManualClock
from celeriac.message import After, Delivery, Message
from celeriac.outcome import Settlement
from celeriac.states import MOVES, State
from celeriac.testing.contract.given import (
    Courier,
    a_message,
    crashed,
    failed,
    record_of,
    release,
    retry,
    state_of,
    stopped,
    succeeded,
)

_numbers = itertools.count(1)


class Scene(NamedTuple):
    """A task in some situation, alone in its queue, and the worker that holds or held it."""

    broker: Broker
    clock: ManualClock
    worker: Courier
    id: str
    claim: Delivery | None = None
    parent: Message | None = None

    @property
    def held(self) -> Delivery:
        """The claim; a made-up one for a task that was never claimed."""
        return self.claim or Delivery(self.id, "shop.add", "q", 0, b"", b"", 1, 0, 0, 3, b"")


# --- how a task gets into each situation --------------------------------------------------------


def _sent(broker: Broker, clock: ManualClock, **fields) -> Scene:
    number = next(_numbers)
    message = a_message(queue=f"queue-{number}", **fields)
    worker = Courier(broker, clock, f"worker-{number}", queues=(message.queue,))
    broker.send([message], clock.now())
    return Scene(broker, clock, worker, message.id)


def queued(broker, clock, **fields):
    return _sent(broker, clock, **fields)


def scheduled(broker, clock, **fields):
    return _sent(broker, clock, eta=clock.now() + 60, **fields)


def waiting(broker, clock, *, join=False, countdown=None, **fields):
    """A task that waits for another one, which is in a queue of its own."""
    parent = a_message(queue=f"parents-{next(_numbers)}")
    broker.send([parent], clock.now())
    after = After((parent.id,), join=join, countdown=countdown)
    return _sent(broker, clock, after=after, **fields)._replace(parent=parent)


def standing_in(broker, clock):
    """A task that was replaced by another one, which is in a queue of its own."""
    scene = running(broker, clock)
    return scene._replace(parent=_replace(scene), claim=None)


def _replace(scene):
    new = a_message(queue=f"parents-{next(_numbers)}")
    assert scene.broker.replace(scene.worker.id, scene.id, scene.held.fence, [new], new.id, scene.clock.now())
    return new


def parked(broker, clock):
    scene = _sent(broker, clock, name="shop.strange")
    assert scene.worker.claim() == []
    return scene


def running(broker, clock, **fields):
    scene = _sent(broker, clock, **fields)
    [claim] = scene.worker.claim()
    return scene._replace(claim=claim)


def running_cancelled(broker, clock):
    scene = running(broker, clock)
    broker.cancel([scene.id], clock.now())
    return scene


def _settled(settle: Callable[[Scene], object]) -> Callable[..., Scene]:
    def situation(broker, clock):
        scene = running(broker, clock)
        assert scene.worker.settles(settle(scene))
        return scene

    return situation


SITUATIONS = {
    "waiting for another": (State.WAITING, waiting),
    "replaced": (State.WAITING, standing_in),
    "queued": (State.QUEUED, queued),
    "parked": (State.QUEUED, parked),
    "given back": (State.QUEUED, _settled(lambda scene: release(scene.held))),
    "crashed once": (State.QUEUED, _settled(lambda scene: crashed(scene.held))),
    "scheduled": (State.SCHEDULED, scheduled),
    "waiting for its retry": (State.SCHEDULED, _settled(lambda s: retry(s.held, s.clock.now() + 60))),
    "running": (State.RUNNING, running),
    "running, cancelled": (State.RUNNING, running_cancelled),
    "succeeded": (State.SUCCEEDED, _settled(lambda scene: succeeded(scene.held))),
    "failed": (State.FAILED, _settled(lambda scene: failed(scene.held))),
    "cancelled": (State.CANCELLED, _settled(lambda scene: stopped(scene.held))),
}


# --- each move can be made to happen ------------------------------------------------------------


def _once_cancelled(scene: Scene) -> None:
    scene.broker.cancel([scene.id], scene.clock.now())
    scene.worker.settles(release(scene.held))


def _settle(make: Callable[[Scene], Settlement]) -> Callable[[Scene], None]:
    def happen(scene: Scene) -> None:
        assert scene.worker.settles(make(scene))

    return happen


def _cancel(scene: Scene) -> None:
    scene.broker.cancel([scene.id], scene.clock.now())


def _parent(settle: Callable[[Delivery], Settlement]) -> Callable[[Scene], None]:
    def happen(scene: Scene) -> None:
        assert scene.parent is not None
        worker = Courier(scene.broker, scene.clock, f"parent-{next(_numbers)}", queues=(scene.parent.queue,))
        assert worker.settles(settle(worker.claim()[0]))

    return happen


def _tend_later(scene: Scene) -> None:
    scene.broker.tend(scene.clock.now() + 90)


SOON = 30.0  # seconds, for tasks that expire


def _reschedule(scene: Scene, seconds: float) -> None:
    now = scene.clock.now()
    scene.broker.reschedule([scene.id], now + seconds, now)


def _requeue(scene: Scene) -> None:
    scene.broker.requeue([scene.id], scene.clock.now())


HAPPENINGS = {
    (None, "send"): (queued, {}, lambda scene: None),
    (None, "send with a later eta"): (scheduled, {}, lambda scene: None),
    (None, "send after others"): (waiting, {}, lambda scene: None),
    (State.WAITING, "release"): (waiting, {}, _parent(succeeded)),
    (State.WAITING, "release for later"): (
        waiting,
        {"countdown": 9.5},
        _parent(succeeded),
    ),
    (State.WAITING, "join"): (waiting, {"join": True}, _parent(succeeded)),
    (State.WAITING, "see a parent fail"): (waiting, {}, _parent(failed)),
    (State.WAITING, "see a parent cancelled"): (waiting, {}, _parent(stopped)),
    (State.WAITING, "cancel"): (waiting, {}, _cancel),
    (State.WAITING, "expire"): (waiting, {"expires": SOON}, _tend_later),
    (State.SCHEDULED, "due"): (scheduled, {}, _tend_later),
    (State.SCHEDULED, "reschedule"): (scheduled, {}, lambda scene: _reschedule(scene, 500)),
    (State.SCHEDULED, "reschedule for now"): (scheduled, {}, lambda scene: _reschedule(scene, 0)),
    (State.SCHEDULED, "cancel"): (scheduled, {}, _cancel),
    (State.SCHEDULED, "expire"): (scheduled, {"expires": SOON}, _tend_later),
    (State.QUEUED, "claim"): (queued, {}, lambda scene: scene.worker.claim()),
    (State.QUEUED, "cancel"): (queued, {}, _cancel),
    (State.QUEUED, "expire"): (queued, {"expires": SOON}, _tend_later),
    (State.RUNNING, "succeed"): (running, {}, _settle(lambda s: succeeded(s.held))),
    (State.RUNNING, "fail"): (running, {}, _settle(lambda s: failed(s.held))),
    (State.RUNNING, "stop"): (running, {}, _settle(lambda s: stopped(s.held))),
    (State.RUNNING, "retry"): (running, {}, _settle(lambda s: retry(s.held, s.clock.now() + 9))),
    (State.RUNNING, "retry at once"): (running, {}, _settle(lambda s: retry(s.held, s.clock.now()))),
    (State.RUNNING, "release"): (running, {}, _settle(lambda s: release(s.held))),
    (State.RUNNING, "release for later"): (
        running,
        {},
        _settle(lambda s: release(s.held, s.clock.now() + 9)),
    ),
    (State.RUNNING, "replace"): (running, {}, lambda scene: _replace(scene)),
    (State.WAITING, "stand in for what succeeds"): (standing_in, {}, _parent(succeeded)),
    (State.RUNNING, "crash"): (running, {}, _settle(lambda s: crashed(s.held))),
    (State.RUNNING, "crash past the limit"): (
        running,
        {"crash_limit": 0},
        _settle(lambda s: crashed(s.held)),
    ),
    (State.RUNNING, "retry, release or crash once cancelled"): (running, {}, _once_cancelled),
    (State.FAILED, "requeue"): (SITUATIONS["failed"][1], {}, lambda scene: _requeue(scene)),
}


@pytest.mark.parametrize("move", MOVES, ids=lambda move: f"{getattr(move[0], 'name', None)}: {move[1]}")
def test_each_move_of_the_table_can_be_made_to_happen(broker, clock, move):
    begin, fields, happen = HAPPENINGS[move]
    if "expires" in fields:
        fields = {"expires": clock.now() + fields["expires"]}
    scene = begin(broker, clock, **fields)
    assert move[0] in (None, state_of(broker, scene.id))

    happen(scene)

    assert state_of(broker, scene.id) is MOVES[move]


def test_every_row_of_the_table_is_tried():
    assert HAPPENINGS.keys() == MOVES.keys()


# --- and nothing else can -----------------------------------------------------------------------


def _stranger(scene: Scene) -> Courier:
    return Courier(scene.broker, scene.clock, f"stranger-{next(_numbers)}", queues=(scene.worker.id,))


def _report(scene: Scene, worker: str, fence: int) -> None:
    scene.broker.report(worker, [Report(scene.id, fence, "PROGRESS", b"1", b"2")], scene.clock.now())


VERDICTS = {
    "succeed": lambda scene: succeeded(scene.held),
    "fail": lambda scene: failed(scene.held),
    "stop": lambda scene: stopped(scene.held),
    "retry": lambda scene: retry(scene.held, scene.clock.now() + 9),
    "retry at once": lambda scene: retry(scene.held, scene.clock.now()),
    "release": lambda scene: release(scene.held),
    "release for later": lambda scene: release(scene.held, scene.clock.now() + 9),
    "crash": lambda scene: crashed(scene.held),
}


def _stale(scene: Scene) -> Scene:
    return scene._replace(claim=None if scene.claim is None else _older(scene.claim))


def _older(claim: Delivery) -> Delivery:
    return Delivery(claim.id, claim.name, claim.queue, 0, b"", b"", claim.fence - 1, 0, 0, 3, b"")


def _settles(make, *, by=lambda scene: scene.worker, of=lambda scene: scene):
    return lambda scene: by(scene).trip(make(of(scene)))


# Without the right to touch the task: nothing whatever may change.
POWERLESS: dict[str, Callable[[Any], object]] = {
    "send it again": lambda s: s.broker.send([a_message(id=s.id)], s.clock.now()),
    "send it again for later": lambda s: s.broker.send(
        [a_message(id=s.id, eta=s.clock.now() + 9, priority=9)], s.clock.now()
    ),
    "enlist another worker": _stranger,
    "a beat of its worker": lambda s: s.broker.heartbeat([s.worker.id], s.clock.now()),
    "an empty trip of its worker": lambda s: s.worker.trip(),
    "its worker's last trip again": lambda s: s.worker.number and s.worker.repeat(),
    "retire another worker": lambda s: s.broker.retire([_stranger(s).id], s.clock.now()),
    "a report by another worker": lambda s: _report(s, _stranger(s).id, s.held.fence),
    "a report by nobody": lambda s: _report(s, "never-seen", s.held.fence),
    "a report with an old fence": lambda s: _report(s, s.worker.id, s.held.fence - 1),
    "purge another queue": lambda s: s.broker.purge(s.worker.id, s.clock.now()),
    "tend now": lambda s: s.broker.tend(s.clock.now()),
    "look": lambda s: (s.broker.queues(), s.broker.workers(s.clock.now()), s.broker.get([s.id])),
    **{f"{name} by another worker": _settles(make, by=_stranger) for name, make in VERDICTS.items()},
    **{
        f"{name} with an old fence": _settles(make, of=_stale)
        for name, make in VERDICTS.items()
        if name != "stop"
    },
}

# With it: the table says what may come of it.
RIGHTFUL: dict[str, Callable[[Any], object]] = {
    "claim": lambda s: s.worker.claim(),
    "report": lambda s: _report(s, s.worker.id, s.held.fence),
    "cancel": lambda s: s.broker.cancel([s.id], s.clock.now()),
    "terminate": lambda s: s.broker.cancel([s.id], s.clock.now(), terminate=True),
    "reschedule": lambda s: _reschedule(s, 500),
    "reschedule for now": lambda s: _reschedule(s, 0),
    "requeue": _requeue,
    "forget": lambda s: s.broker.forget([s.id]),
    "purge": lambda s: s.broker.purge(record_of(s.broker, s.id).message.queue, s.clock.now()),
    "tend later": lambda s: s.broker.tend(s.clock.now() + 90),
    "retire": lambda s: s.broker.retire([s.worker.id], s.clock.now()),
    **{name: _settles(make) for name, make in VERDICTS.items()},
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_whoever_has_no_right_to_a_task_changes_nothing(broker, clock, situation):
    state, begin = SITUATIONS[situation]
    for name, attempt in POWERLESS.items():
        scene = begin(broker, clock)
        before = record_of(broker, scene.id)
        assert before.state is state

        attempt(scene)

        assert record_of(broker, scene.id) == before, name


@pytest.mark.parametrize("situation", SITUATIONS)
def test_no_verb_moves_a_task_otherwise_than_the_table_says(broker, clock, situation):
    state, begin = SITUATIONS[situation]
    allowed = {state} | {after for (before, _), after in MOVES.items() if before is state}
    for name, attempt in RIGHTFUL.items():
        scene = begin(broker, clock)

        attempt(scene)

        [record] = broker.get([scene.id])
        assert (record.state if record else "forgotten") in allowed | _forgettable(state, name), name


def _forgettable(state: State, name: str) -> set[object]:
    return {"forgotten"} if state.final and name == "forget" else set()


@pytest.mark.parametrize("situation", [name for name, (state, _) in SITUATIONS.items() if state.final])
def test_no_other_verb_changes_a_finished_task_in_any_way(broker, clock, situation):
    state, begin = SITUATIONS[situation]
    for name, attempt in RIGHTFUL.items():
        scene = begin(broker, clock)
        before = record_of(broker, scene.id)

        attempt(scene)

        if name != "forget" and (state, name) not in MOVES:
            assert record_of(broker, scene.id) == before, name
