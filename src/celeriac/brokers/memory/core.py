"""What all verbs of the memory store share: its dictionaries, and the moves of a task.

No lock is taken here; verbs do that.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from celeriac.broker import (
    DEFAULT_DEAD_RETENTION,
    DEFAULT_DEADLINE,
    DEFAULT_RETENTION,
    TEND_LIMIT,
    Schedule,
)
from celeriac.brokers.memory.ears import MemoryListener
from celeriac.brokers.memory.lanes import Lane, Lanes, Place, place_of
from celeriac.brokers.memory.notebook import Notebook
from celeriac.brokers.memory.records import Holder, Task
from celeriac.brokers.memory.tallies import Tallies
from celeriac.message import After, Message, Unique, check_parents
from celeriac.outcome import (
    NOT_NEEDED,
    PARENT_REVOKED,
    REVOKED,
    Settlement,
    parent_failed,
)
from celeriac.states import State, Verdict

_FINAL = {
    Verdict.SUCCEEDED: State.SUCCEEDED,
    Verdict.FAILED: State.FAILED,
    Verdict.CANCELLED: State.CANCELLED,
}


class Core:
    """The store's state, and the steps that verbs are made of; whoever calls one holds the lock."""

    def __init__(
        self,
        url: str = "memory://",
        *,
        namespace: str = "celeriac",  # noqa: ARG002 - each object is a namespace of its own
        retention: float = DEFAULT_RETENTION,
        dead_retention: float = DEFAULT_DEAD_RETENTION,
        deadline: float = DEFAULT_DEADLINE,  # noqa: ARG002 - it is never away
    ) -> None:
        self.url = url
        self._retention, self._dead_retention = retention, dead_retention
        self._lock = threading.RLock()
        self._tasks: dict[str, Task] = {}
        self._numbers = itertools.count(1)
        self._ready: defaultdict[tuple[str, int], deque[str]] = defaultdict(deque)
        self._parked: defaultdict[tuple[str, str], deque[str]] = defaultdict(deque)  # by queue and name
        self._paused: set[str] = set()
        self._secret = b""
        self._schedules: dict[str, Schedule] = {}
        self._lanes = Lanes()
        self._tallies = Tallies()
        self._names: dict[str, tuple[str, float, Unique]] = {}  # unique ones: whose, since when
        self._roomier: list[Lane] = []  # lanes that may have got room in this step
        self._ended: deque[str] = deque()  # tasks whose dependants do not all know it yet
        self._workers: dict[str, Holder] = {}
        self._watched: defaultdict[str, set[MemoryListener]] = defaultdict(set)
        self._notebook = Notebook()
        self._commands = itertools.count(1)

    # --- sending, and waiting for others --------------------------------------------------------------

    def _send(self, messages: Sequence[Message], now: float) -> int:
        new = {
            m.id: Task(m, next(self._numbers)) for m in _first_of_each(messages) if m.id not in self._tasks
        }
        for task in new.values():
            check_parents(task.message, new.keys() | self._tasks.keys())
        self._tasks.update(new)
        self._roomier += [
            lane for message in messages if (lane := self._lanes.learn(message, now)) is not None
        ]
        for task in new.values():
            if task.message.after is None:
                self._schedule(task, task.message.eta or 0.0, now)
            else:
                self._wait(task, task.message.after.parents)
        for task in new.values():
            self._hear_of_parents(task, now)
        self._make_room(now)
        self._follow(now)
        return len(new)

    def _holder_of(self, name: str, now: float) -> str | None:
        if name not in self._names:
            return None
        holder, since, unique = self._names[name]
        if unique.seconds is not None:
            return holder if now < since + unique.seconds else None
        task = self._tasks.get(holder)
        if task is None:
            return None
        taken = unique.until == "forgotten" or not (task.state.final or self._is_late(task, now))
        return holder if taken else None

    @staticmethod
    def _is_late(task: Task, now: float) -> bool:
        """Say whether it is too late for *task* to start; one that others stand for has started."""
        expires = task.message.expires
        late = expires is not None and expires <= now and task.state < State.RUNNING
        return late and not task.stands_for

    def _wait(self, task: Task, parents: Sequence[str]) -> None:
        task.state, task.open, task.parents = State.WAITING, set(parents), [*parents]
        for parent in parents:
            self._tasks[parent].dependants.append(task.message.id)

    def _hear_of_parents(self, task: Task, now: float) -> None:
        """Let a new *task* know of the parents that ended, and were told of, before it came."""
        after = task.message.after
        if after is None:
            return
        if not after.parents:
            self._release(task, now)
        for parent in after.parents:
            known = self._tasks[parent]
            if known.state.final and known.message.id not in self._ended and task.state is State.WAITING:
                known.told = len(known.dependants)
                self._hear(task, known, now)

    def _follow(self, now: float, limit: int = TEND_LIMIT) -> int:
        """Tell up to *limit* dependants what has become of their parents; return how many."""
        count = 0
        while self._ended and count < limit:
            parent = self._tasks[self._ended[0]]
            if parent.told == len(parent.dependants):
                self._ended.popleft()
                continue
            task = self._tasks[parent.dependants[parent.told]]
            parent.told += 1
            count += 1
            if task.state is State.WAITING:
                self._hear(task, parent, now)
        return count

    def _hear(self, task: Task, parent: Task, now: float) -> None:
        """Let a waiting *task* know that *parent* has ended."""
        after = task.message.after or After()
        if task.stands_for:
            self._finish(task, parent.state, parent.result or parent.error, now)
        elif after.on == "failure":
            if parent.state is State.FAILED:
                self._release(task, now)
            else:
                self._finish(task, State.CANCELLED, NOT_NEEDED, now)
        elif parent.state is State.SUCCEEDED:
            task.open.discard(parent.message.id)
            if not task.open:
                self._release(task, now)
        elif parent.state is State.FAILED:
            self._finish(task, State.FAILED, parent_failed(parent.message.id, parent.error), now)
        else:
            self._finish(task, State.CANCELLED, PARENT_REVOKED, now)

    def _release(self, task: Task, now: float) -> None:
        after = task.message.after or After()
        if after.join:
            self._finish(task, State.SUCCEEDED, b"", now)
        else:
            self._schedule(task, max(task.message.eta or 0.0, now + (after.countdown or 0.0)), now)

    def _is_needed(self, task: Task) -> bool:
        """Say whether an unfinished task may need *task*'s result."""
        for dependant in map(self._tasks.get, task.dependants):
            if dependant is None or not (dependant.message.after or dependant.stands_for):
                continue  # forgotten, or requeued: that waits for nobody
            join = dependant.message.after is not None and dependant.message.after.join
            if not dependant.state.final or (join and self._is_needed(dependant)):
                return True
        return False

    # --- lines ----------------------------------------------------------------------------------------

    def _schedule(self, task: Task, due: float, now: float) -> None:
        """Queue *task* at the tail, or schedule it for *due* when that is later than *now*."""
        if due <= now:
            self._queue(task, now)
            return
        others = (
            other.due
            for other in self._tasks.values()
            if other.state is State.SCHEDULED and other is not task
        )
        first = min((moment for moment in others if moment is not None), default=None)
        task.state, task.due = State.SCHEDULED, due
        if first is None or due < first:  # whoever sleeps until `first` must sleep shorter
            self._ring(task.message.queue)

    def _queue(self, task: Task, now: float, *, head: bool = False) -> None:
        was_parked = task.parked
        task.state, task.due, task.parked = State.QUEUED, None, False
        if task.message.limit is None or was_parked or self._is_first(task, now, head=head):
            self._stand(task, head=head)

    def _stand(self, task: Task, *, head: bool = False) -> None:
        """Put a queued task where workers look."""
        task.held = False
        line = self._ready[task.message.queue, task.message.priority]
        (line.appendleft if head else line.append)(task.message.id)
        self._ring(task.message.queue)

    def _leave_line(self, task: Task, now: float) -> None:
        if task.state is State.QUEUED:
            sent = task.message
            if sent.limit is not None:
                self._leave_lane(task, now)
            parked = self._parked[sent.queue, sent.name]
            line = parked if task.parked else self._ready[sent.queue, sent.priority]
            if sent.id in line:
                line.remove(sent.id)

    def _in(self, state: State) -> Iterable[Task]:
        return [task for task in self._tasks.values() if task.state is state]

    def _promote(self, now: float, limit: int) -> int:
        due = [task for task in self._in(State.SCHEDULED) if task.due is not None and task.due <= now]
        due.sort(key=lambda task: (task.due, task.message.id))
        for task in due[:limit]:
            self._queue(task, now)
        return len(due[:limit])

    def _ring(self, queue: str, *, name: str | None = None) -> None:
        """Wake one idle worker of *queue* (that knows the task *name*), if there is one."""
        if queue in self._paused:
            return
        for worker in self._workers.values():
            knows = name is None or name in worker.info.names
            if worker.hungry and knows and queue in worker.info.queues and worker.bell is not None:
                worker.hungry = False
                worker.bell.ring(work=True)
                return

    # --- lanes ----------------------------------------------------------------------------------------

    def _is_first(self, task: Task, now: float, *, head: bool) -> bool:
        """Let a queued task into its lane; say whether it is the first one there, and there is room."""
        lane, place = self._lanes.of(task.message), place_of(task.message)
        line = lane.lines[place]
        if place not in lane.first and not line and lane.has_room(now):
            lane.first.add(place)
            return True
        task.held = True
        waits_alone = not line and place not in lane.first
        (line.appendleft if head else line.append)(task.message.id)
        if waits_alone and lane.wakes() is not None:  # whoever sleeps has to wake up for it
            self._ring(task.message.queue)
        return False

    def _next_of(self, lane: Lane, place: Place, now: float) -> None:
        """Let the next one of a lane stand where workers look, if there is room and nobody stands there."""
        line = lane.lines[place]
        if line and place not in lane.first and lane.has_room(now):
            lane.first.add(place)
            self._stand(self._tasks[line.popleft()])

    def _leave_lane(self, task: Task, now: float) -> None:
        """Let a queued task out of its lane."""
        lane, place = self._lanes.of(task.message), place_of(task.message)
        if task.held:
            lane.lines[place].remove(task.message.id)
            task.held = False
        else:
            lane.first.discard(place)
            self._next_of(lane, place, now)

    def _starts(self, task: Task, now: float) -> bool:
        """Take a token and a place for *task*, which was first; say whether there were any."""
        lane, place = self._lanes.of(task.message), place_of(task.message)
        lane.first.discard(place)
        if not lane.has_room(now):
            task.held = True
            lane.lines[place].appendleft(task.message.id)
            return False
        lane.tokens -= 1
        lane.running += 1
        self._next_of(lane, place, now)
        return True

    def _make_room(self, now: float) -> None:
        """Let the first ones of lanes that have got room stand where workers look."""
        for lane in self._roomier:
            for place in sorted(lane.lines):
                self._next_of(lane, place, now)
        self._roomier.clear()

    def _wake_lanes(self, now: float) -> None:
        for lane in self._lanes.all():
            wakes = lane.wakes()
            if wakes is not None and wakes <= now:
                self._roomier.append(lane)
        self._make_room(now)

    # --- ends -----------------------------------------------------------------------------------------

    def _finish(self, task: Task, state: State, body: bytes, now: float) -> None:
        self._leave_line(task, now)
        task.state, task.finished, task.due, task.parked = state, now, None, False
        task.result = body if state is State.SUCCEEDED else b""
        task.error = b"" if state is State.SUCCEEDED else body
        if task.dependants:
            self._ended.append(task.message.id)
        self._tell(task)

    def _tell(self, task: Task) -> None:
        for listener in self._watched.get(task.message.id, ()):
            listener.hear(task.message.id)
        if task.state.final:
            self._watched.pop(task.message.id, None)

    def _let_go(self, holder: Holder, task_id: str, now: float, *, began: bool = True) -> Task:
        """Take a running task from its worker; its token is spent if its code *began*."""
        del holder.running[task_id]
        holder.stops.pop(task_id, None)
        task = self._tasks[task_id]
        if task.message.limit is not None:
            lane = self._lanes.of(task.message)
            lane.refresh(now)
            lane.running -= 1
            if not began:
                lane.tokens = min(lane.limit.burst, lane.tokens + 1)
            self._roomier.append(lane)
        return task

    def _settle_one(self, task: Task, settlement: Settlement, now: float) -> bool:
        """Move *task*; say whether it goes to the head of its queue (the caller keeps their order)."""
        verdict, body = settlement.verdict, settlement.body
        if verdict in _FINAL:
            self._finish(task, _FINAL[verdict], body, now)
        elif task.cancelled:
            self._finish(task, State.CANCELLED, REVOKED, now)
        elif verdict is Verdict.CRASHED:
            return self._crash(task, body, now)
        elif verdict is Verdict.RETURNED or (verdict is Verdict.RELEASE and not settlement.due):
            self._tell(task)
            return True
        else:
            if verdict is Verdict.RETRY:
                task.retries += 1
                task.error = body
                task.note_attempt(verdict, body, now)
            self._schedule(task, settlement.due, now)
            self._tell(task)
        return False

    def _crash(self, task: Task, error: bytes, now: float) -> bool:
        """Count a crash of *task*; say whether it goes to the head of its queue."""
        task.crashes += 1
        if task.crashes > task.message.crash_limit:
            self._finish(task, State.FAILED, error, now)
            return False
        task.note_attempt(Verdict.CRASHED, error, now)
        self._tell(task)
        return True

    def _recover(self, holder: Holder, error: bytes, now: float) -> int:
        heads = []
        held = sorted(holder.running)
        for task_id in held:
            task = self._let_go(holder, task_id, now)
            if self._settle_one(task, Settlement(task_id, task.fence, Verdict.CRASHED, error), now):
                heads.append(task)
        for task in reversed(heads):
            self._queue(task, now, head=True)
        self._make_room(now)
        return len(held)


def _first_of_each(messages: Sequence[Message]) -> Iterable[Message]:
    """Drop later messages with an id that stood before."""
    first: dict[str, Message] = {}
    for message in messages:
        first.setdefault(message.id, message)
    return first.values()
