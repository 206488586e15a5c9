"""The store inside one process, for tests; and the contract of `broker` in executable form.

Plain Python under one lock and no cleverness: what it does is what every store must do. Nothing
here is fast for its own sake, and nothing outlives the process.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from celeriac.broker import (
    DEAD_AT_ONCE,
    DEFAULT_DEAD_RETENTION,
    DEFAULT_DEADLINE,
    DEFAULT_RETENTION,
    FOUND_AT_ONCE,
    LINKS_AT_ONCE,
    LOOKED_AT,
    MOST_BEFORE,
    PENDING_AT_ONCE,
    SOME,
    TEND_LIMIT,
    Beat,
    Bell,
    Broker,
    Cancelled,
    Dead,
    Exchanged,
    Found,
    Listener,
    Pending,
    QueueInfo,
    Report,
    Schedule,
    ScheduleChange,
    Situation,
    Tended,
    Total,
    WorkerInfo,
    check_changes,
)
from celeriac.brokers.memory import finding
from celeriac.brokers.memory.ears import MemoryBell, MemoryListener
from celeriac.brokers.memory.lanes import Lane, Lanes, Place, place_of
from celeriac.brokers.memory.notebook import Notebook
from celeriac.brokers.memory.records import Holder, Task
from celeriac.brokers.memory.tallies import Tallies
from celeriac.criteria import ANY, Criteria
from celeriac.message import After, Message, Record, Unique, aged, bare, check_parents
from celeriac.outcome import (
    EXPIRED,
    LEASE_LOST,
    NOT_NEEDED,
    PARENT_REVOKED,
    PURGED,
    REVOKED,
    SUPERSEDED,
    Settlement,
    parent_failed,
)
from celeriac.states import State, Verdict
from celeriac.steering import (
    ACTIVITY_AT_ONCE,
    LOG_AT_ONCE,
    MOST_COMMANDS,
    Command,
    Deed,
    Entry,
    Line,
    Pulse,
)
from celeriac.tally import Tally

_FINAL = {
    Verdict.SUCCEEDED: State.SUCCEEDED,
    Verdict.FAILED: State.FAILED,
    Verdict.CANCELLED: State.CANCELLED,
}


class MemoryBroker(Broker):
    """Everything in dictionaries.

    Args:
        url: `memory://`; each broker object is a store of its own.
        retention: seconds for which finished records are kept. dead_retention: those of failed tasks.
    """

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

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close: a store in memory ends with its object."""

    def ping(self) -> None:
        """It is always there."""

    # --- send and the state of a task -----------------------------------------------------------

    def send(self, messages: Sequence[Message], now: float) -> int:
        """Accept *messages*; see `Broker.send`."""
        with self._lock:
            return self._send(messages, now)

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

    def send_unique(self, messages: Sequence[Message], now: float) -> list[str]:
        """Send what nobody stands for; see `Broker.send_unique`."""
        with self._lock:
            answers = [self._send_unique(message, now) for message in messages]
            self._follow(now)
            return answers

    def _send_unique(self, message: Message, now: float) -> str:
        unique = message.unique
        if unique is None or message.id in self._tasks:
            self._send([bare(message)], now)
            return message.id
        holder = self._holder_of(unique.name, now)
        if holder is not None and not unique.replace:
            return holder
        old = self._tasks.get(holder or "")
        if old is not None and old.state < State.RUNNING:
            self._finish(old, State.CANCELLED, SUPERSEDED, now)
        self._names[unique.name] = message.id, now, unique
        self._send([bare(message)], now)
        self._tasks[message.id].unique = unique.name
        return message.id

    def _holder_of(self, name: str, now: float) -> str | None:
        if name not in self._names:
            return None
        holder, since, unique = self._names[name]
        if unique.seconds is not None:
            return holder if now < since + unique.seconds else None
        task = self._tasks.get(holder)
        taken = task is not None and (unique.until == "forgotten" or not task.state.final)
        return holder if taken else None

    # --- waiting for others -------------------------------------------------------------------------

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

    # --- the state of a task --------------------------------------------------------------------------

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

    # --- lanes --------------------------------------------------------------------------------------

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

    def _leave_line(self, task: Task, now: float) -> None:
        if task.state is State.QUEUED:
            sent = task.message
            if sent.limit is not None:
                self._leave_lane(task, now)
            parked = self._parked[sent.queue, sent.name]
            line = parked if task.parked else self._ready[sent.queue, sent.priority]
            if sent.id in line:
                line.remove(sent.id)

    def _tell(self, task: Task) -> None:
        for listener in self._watched.get(task.message.id, ()):
            listener.hear(task.message.id)
        if task.state.final:
            self._watched.pop(task.message.id, None)

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

    # --- exchange ---------------------------------------------------------------------------------

    def enlist(self, worker: WorkerInfo, now: float) -> None:
        """Make *worker* known; see `Broker.enlist`."""
        with self._lock:
            info = msgspec.structs.replace(worker, started=now, seen=now)
            holder = self._workers.setdefault(worker.id, Holder(info, 0.0))
            holder.info, holder.lease_ends = info, now + worker.lease
            for queue, name in sorted(self._parked, key=lambda key: (key[1], key[0])):
                if name in worker.names:
                    for task_id in self._parked.pop((queue, name)):
                        self._queue(self._tasks[task_id], now)

    def exchange(
        self,
        worker: str,
        *,
        trip: int,
        finished: Sequence[Settlement] = (),
        want: int = 0,
        now: float,
        queues: Sequence[str] | None = None,
        ageing: float | None = None,
    ) -> Exchanged:
        """Settle and claim in one step; see `Broker.exchange`."""
        with self._lock:
            holder = self._workers.get(worker)
            if holder is None:
                return Exchanged(lost=True)
            refused: list[str] = []
            if trip < holder.trip:  # the late copy of a request that was given up: nobody reads this answer
                return Exchanged()
            if trip > holder.trip:
                refused = self._settle(holder, finished, now)
                told = self._follow(now)
                self._wake_lanes(now)
                self._promote(now, TEND_LIMIT)
                asked = holder.info.queues if queues is None else queues
                self._unpark(holder, asked, want, now)
                claims = self._claim(holder, asked, want, now, ageing)
                self._follow(now, TEND_LIMIT - told)
                holder.trip, holder.answered = trip, {task.message.id: task.fence for task in claims}
                holder.hungry = len(claims) < want
            answered = holder.answered.items()
            held = [
                self._tasks[task_id] for task_id, fence in answered if holder.running.get(task_id) == fence
            ]
            return Exchanged(
                claims=[task.delivery() for task in held],
                refused=refused,
                stops=list(holder.stops),
                due=self.next_due(),
            )

    def next_due(self) -> float | None:
        """Return when the first scheduled task is due, or a lane gets a token; None for never."""
        moments = [task.due for task in self._in(State.SCHEDULED)]
        moments += [lane.wakes() for lane in self._lanes.all()]
        return min((moment for moment in moments if moment is not None), default=None)

    def _settle(self, holder: Holder, finished: Sequence[Settlement], now: float) -> list[str]:
        refused = []
        heads = []
        for settlement in finished:
            if holder.running.get(settlement.id) != settlement.fence:
                refused.append(settlement.id)
                continue
            task = self._let_go(holder, settlement.id, now)
            if self._settle_one(task, settlement, now):
                heads.append(task)
        for task in reversed(heads):
            self._queue(task, now, head=True)
        self._make_room(now)
        return refused

    def _let_go(self, holder: Holder, task_id: str, now: float) -> Task:
        """Take a running task from its worker; its token is spent, even if it was not begun."""
        del holder.running[task_id]
        holder.stops.pop(task_id, None)
        task = self._tasks[task_id]
        if task.message.limit is not None:
            lane = self._lanes.of(task.message)
            lane.refresh(now)
            lane.running -= 1
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
        elif verdict is Verdict.RELEASE and not settlement.due:
            self._tell(task)
            return True
        else:
            if verdict is Verdict.RETRY:
                task.retries += 1
                task.error = body
            self._schedule(task, settlement.due, now)
            self._tell(task)
        return False

    def _crash(self, task: Task, error: bytes, now: float) -> bool:
        """Count a crash of *task*; say whether it goes to the head of its queue."""
        task.crashes += 1
        if task.crashes > task.message.crash_limit:
            self._finish(task, State.FAILED, error, now)
            return False
        self._tell(task)
        return True

    def _promote(self, now: float, limit: int) -> int:
        due = [task for task in self._in(State.SCHEDULED) if task.due is not None and task.due <= now]
        due.sort(key=lambda task: (task.due, task.message.id))
        for task in due[:limit]:
            self._queue(task, now)
        return len(due[:limit])

    def _in(self, state: State) -> Iterable[Task]:
        return [task for task in self._tasks.values() if task.state is state]

    def _unpark(self, holder: Holder, queues: Sequence[str], want: int, now: float) -> None:
        """Take up to *want* parked tasks that *holder* knows back to the head of their lines."""
        taken: list[Task] = []
        for wanted in self._open(queues):
            for queue, name in sorted(self._parked):
                if queue == wanted and name in holder.info.names:
                    line = self._parked[queue, name]
                    while line and len(taken) < want:
                        taken.append(self._tasks[line.popleft()])
        for task in reversed(taken):
            self._queue(task, now, head=True)

    def _claim(
        self, holder: Holder, queues: Sequence[str], want: int, now: float, ageing: float | None
    ) -> list[Task]:
        claims: list[Task] = []
        looks = want + TEND_LIMIT
        for queue in self._open(queues):
            while len(claims) < want and looks and (line := self._next_line(queue, ageing)):
                looks -= 1
                task = self._tasks[line.popleft()]
                if self._start(holder, task, now):
                    claims.append(task)
        return claims

    def _next_line(self, queue: str, ageing: float | None) -> deque[str] | None:
        """Return the line of *queue* whose first one goes next; None when all are empty."""
        lines = [self._ready[queue, priority] for priority in range(9, -1, -1)]
        filled = [line for line in lines if line]
        if ageing is None or not filled:
            return filled[0] if filled else None
        return min(filled, key=lambda line: aged(self._tasks[line[0]].message, ageing))

    def _open(self, queues: Sequence[str]) -> list[str]:
        """Return those of *queues* from which one may claim now."""
        return [queue for queue in queues if queue not in self._paused]

    def _start(self, holder: Holder, task: Task, now: float) -> bool:
        """Give *task*, just taken from its line, to *holder*; say whether it may be run."""
        sent = task.message
        if sent.expires is not None and sent.expires <= now:
            self._finish(task, State.CANCELLED, EXPIRED, now)
            return False
        if sent.name not in holder.info.names:
            task.parked = True
            self._parked[sent.queue, sent.name].append(sent.id)
            self._ring(sent.queue, name=sent.name)
            return False
        if sent.limit is not None and not self._starts(task, now):
            return False
        task.state, task.started, task.worker = State.RUNNING, now, holder.info.id
        task.fence += 1
        holder.running[sent.id] = task.fence
        self._tell(task)
        return True

    def replace(
        self, worker: str, task: str, fence: int, graph: Sequence[Message], end: str, now: float
    ) -> bool:
        """Let other tasks take one's place; see `Broker.replace`."""
        with self._lock:
            holder, known = self._workers.get(worker), self._tasks.get(task)
            if holder is None or known is None or holder.running.get(task) != fence:
                return known is not None and known.stands_for == end
            if not known.cancelled:
                self._send(graph, now)
            self._let_go(holder, task, now)
            if known.cancelled:
                self._finish(known, State.CANCELLED, REVOKED, now)
            else:
                known.stands_for, known.state, known.open = end, State.WAITING, {end}
                self._wait_for_more(known, [end], now)
                self._tell(known)
            self._make_room(now)
            self._follow(now)
            return True

    def extend(self, join: str, messages: Sequence[Message], ends: Sequence[str], now: float) -> bool:
        """Let a join wait for more; see `Broker.extend`."""
        with self._lock:
            known = self._tasks.get(join)
            if known is None or known.state is not State.WAITING:
                return False
            self._send(messages, now)
            more = [end for end in ends if end not in known.parents]
            known.open |= set(more)
            self._wait_for_more(known, more, now)
            self._follow(now)
            return True

    def _wait_for_more(self, task: Task, parents: Sequence[str], now: float) -> None:
        task.parents += parents
        for parent in parents:
            known = self._tasks[parent]
            known.dependants.append(task.message.id)
            if known.state.final and parent not in self._ended and task.state is State.WAITING:
                known.told = len(known.dependants)
                self._hear(task, known, now)

    # --- workers ----------------------------------------------------------------------------------

    def heartbeat(
        self, workers: Sequence[str], now: float, pulses: Mapping[str, Pulse] | None = None
    ) -> Beat:
        """Renew leases; see `Broker.heartbeat`."""
        with self._lock:
            known = [self._workers[worker] for worker in workers if worker in self._workers]
            for holder in known:
                holder.lease_ends = max(holder.lease_ends, now + holder.info.lease)
                holder.info = msgspec.structs.replace(holder.info, seen=max(holder.info.seen, now))
                if pulses and (pulse := pulses.get(holder.info.id)) is not None:
                    self._hear_pulse(holder, pulse)
            return Beat(
                lost=[worker for worker in workers if worker not in self._workers],
                stops={holder.info.id: dict(holder.stops) for holder in known if holder.stops},
                commands={holder.info.id: list(holder.commands) for holder in known if holder.commands},
            )

    def _hear_pulse(self, holder: Holder, pulse: Pulse) -> None:
        holder.commands = [each for each in holder.commands if each.number > pulse.heard]
        holder.pulse = pulse

    def command(self, workers: Sequence[str], command: Command, now: float) -> list[bool]:  # noqa: ARG002
        """Tell workers what to do; see `Broker.command`."""
        with self._lock:
            for holder in filter(None, map(self._workers.get, workers)):
                numbered = msgspec.structs.replace(command, number=next(self._commands))
                holder.commands = [*holder.commands, numbered][-MOST_COMMANDS:]
            return [worker in self._workers for worker in workers]

    def retire(self, workers: Sequence[str], now: float, error: bytes = LEASE_LOST) -> int:
        """Forget dead workers; see `Broker.retire`."""
        with self._lock:
            held = 0
            for worker in workers:
                holder = self._workers.pop(worker, None)
                if holder is not None:
                    held += self._recover(holder, error, now)
            self._follow(now)
            return held

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

    def report(self, worker: str, reports: Sequence[Report], now: float) -> list[str]:  # noqa: ARG002
        """Keep progress; see `Broker.report`."""
        with self._lock:
            holder = self._workers.get(worker)
            refused = []
            for report in reports:
                if holder is None or holder.running.get(report.id) != report.fence:
                    refused.append(report.id)
                else:
                    self._keep(self._tasks[report.id], report)
            return refused

    def _keep(self, task: Task, report: Report) -> None:
        if report.state is not None:
            task.custom = report.state
        if report.meta is not None:
            task.meta = report.meta
        if report.checkpoint is not None:
            task.checkpoint = report.checkpoint
        task.children = tuple(dict.fromkeys((*task.children, *report.children)))
        self._tell(task)

    def write_log(self, worker: str, lines: Sequence[Line], now: float) -> list[str]:  # noqa: ARG002
        """Add lines to the logs of tasks; see `Broker.write_log`."""
        with self._lock:
            holder = self._workers.get(worker)
            held = {} if holder is None else holder.running
            for line in lines:
                if held.get(line.id) == line.fence:
                    self._notebook.write(line)
            return list(dict.fromkeys(line.id for line in lines if held.get(line.id) != line.fence))

    def note(self, deeds: Sequence[Deed], now: float) -> None:
        """Remember who did what; see `Broker.note`."""
        with self._lock:
            self._notebook.note(deeds, now)

    # --- cancel, forget, purge, tend --------------------------------------------------------------

    def cancel(
        self, ids: Sequence[str], now: float, *, terminate: bool = False, error: bytes = REVOKED
    ) -> list[Cancelled]:
        """Revoke tasks; see `Broker.cancel`."""
        with self._lock:
            answers = [self._cancel(self._tasks.get(task_id), now, terminate, error) for task_id in ids]
            self._follow(now)
            return answers

    def _cancel(self, task: Task | None, now: float, terminate: bool, error: bytes) -> Cancelled:
        if task is None:
            return "unknown"
        if task.state.final:
            return "final"
        if task.state is not State.RUNNING:
            self._finish(task, State.CANCELLED, error, now)
            return "cancelled"
        task.cancelled = True
        if not terminate:
            return "noted"
        holder = self._workers[task.worker]
        holder.stops.setdefault(task.message.id, now)
        if holder.bell is not None:
            holder.bell.ring(work=False)
        return "stopping"

    def reschedule(self, ids: Sequence[str], due: float, now: float) -> list[bool]:
        """Let scheduled tasks become due at another moment; see `Broker.reschedule`."""
        with self._lock:
            return [self._reschedule(self._tasks.get(task_id), due, now) for task_id in ids]

    def _reschedule(self, task: Task | None, due: float, now: float) -> bool:
        if task is None or task.state is not State.SCHEDULED:
            return False
        self._schedule(task, due, now)
        return True

    def requeue(self, ids: Sequence[str], now: float) -> list[bool]:
        """Queue failed tasks again; see `Broker.requeue`."""
        with self._lock:
            return [self._requeue(self._tasks.get(task_id), now) for task_id in ids]

    def _requeue(self, task: Task | None, now: float) -> bool:
        if task is None or not self._has_failed_itself(task) or task.message.id in self._ended:
            return False
        if task.unique and not self._takes_name_back(task, now):
            return False
        task.message = msgspec.structs.replace(task.message, expires=None, after=None)
        task.retries = task.crashes = 0
        task.cancelled, task.finished = False, None
        self._queue(task, now)
        return True

    @staticmethod
    def _has_failed_itself(task: Task) -> bool:
        """Say whether its own run has failed: not another task, one that it waited for or was replaced by."""
        return task.state is State.FAILED and task.fence > 0 and not task.stands_for

    def _takes_name_back(self, task: Task, now: float) -> bool:
        """Give *task* its unique name again; False if another one has it."""
        holder = self._holder_of(task.unique, now)
        if holder is None:
            self._names[task.unique] = task.message.id, now, Unique(task.unique)
        return holder in (None, task.message.id)

    def forget(self, ids: Collection[str]) -> int:
        """Delete finished records; see `Broker.forget`."""
        with self._lock:
            found = [self._tasks[task_id] for task_id in set(ids) if task_id in self._tasks]
            gone = [task for task in found if task.state.final and not self._is_needed(task)]
            for task in gone:
                self._unlink(task)
                del self._tasks[task.message.id]
            self._drop_names({task.message.id for task in gone})
            self._notebook.forget([task.message.id for task in gone])
            return len(gone)

    def _drop_names(self, ids: set[str]) -> None:
        """Let go of the names that these had until they were forgotten."""
        held = [
            name for name, (id_, _, unique) in self._names.items() if unique.seconds is None and id_ in ids
        ]
        for name in held:
            del self._names[name]

    def _unlink(self, task: Task) -> None:
        """Let nothing be told to *task*'s id, which another task may get."""
        for parent in map(self._tasks.get, task.parents):
            if parent is not None and task.message.id in parent.dependants:
                place = parent.dependants.index(task.message.id)
                del parent.dependants[place]
                parent.told -= place < parent.told

    def purge(self, queue: str, now: float, limit: int = TEND_LIMIT) -> int:
        """Cancel what has not started; see `Broker.purge`."""
        with self._lock:
            waiting = (State.QUEUED, State.SCHEDULED)
            found = (t for t in self._tasks.values() if t.message.queue == queue and t.state in waiting)
            doomed = list(itertools.islice(found, limit))
            for task in doomed:
                self._finish(task, State.CANCELLED, PURGED, now)
            self._follow(now)
            return len(doomed)

    def pause(self, queue: str, now: float) -> bool:  # noqa: ARG002
        """Have nothing claimed from a queue; see `Broker.pause`."""
        with self._lock:
            new = queue not in self._paused
            self._paused.add(queue)
            return new

    def resume(self, queue: str, now: float) -> bool:  # noqa: ARG002
        """Let a queue be claimed from again; see `Broker.resume`."""
        with self._lock:
            if queue not in self._paused:
                return False
            self._paused.discard(queue)
            for task in self._tasks.values():
                if task.state is State.QUEUED and task.message.queue == queue and not task.held:
                    self._ring(queue, name=task.message.name if task.parked else None)
            return True

    def secret(self, fresh: bytes) -> bytes:
        """Return the secret of this store; see `Broker.secret`."""
        with self._lock:
            self._secret = self._secret or fresh
            return self._secret

    def advance(self, changes: Sequence[ScheduleChange], now: float) -> list[bool]:
        """Change schedules; see `Broker.advance`."""
        check_changes(changes)
        with self._lock:
            return [self._advance(change, now) for change in changes]

    def _advance(self, change: ScheduleChange, now: float) -> bool:
        kept = self._schedules.get(change.name)
        if kept == change.schedule:
            return True
        if (kept.token if kept is not None else "") != change.token:
            return False
        if change.schedule is None:
            del self._schedules[change.name]
        else:
            self._schedules[change.name] = change.schedule
        self._send(change.messages, now)
        return True

    def tend(self, now: float, limit: int = TEND_LIMIT) -> Tended:
        """Do what time asks for; see `Broker.tend`."""
        with self._lock:
            dead = sorted(worker.info.id for worker in self._workers.values() if worker.lease_ends <= now)[
                :limit
            ]
            recovered = self.retire(dead, now)
            expired = self._expire(now, limit)
            self._wake_lanes(now)
            promoted = self._promote(now, limit)
            followed = self._follow(now, limit)
            dropped = self._drop(now, limit)
            more = self._tallies.age(now) or limit in (len(dead), expired, promoted, followed, dropped)
            coming = next((each.due for each in self.next_schedules(1)), None)
            return Tended(promoted, recovered, expired, dropped, dead, more, coming)

    def _expire(self, now: float, limit: int) -> int:
        def over(task: Task) -> bool:
            expires = task.message.expires
            too_late = expires is not None and expires <= now and task.state < State.RUNNING
            return too_late and not task.stands_for  # that one has started

        doomed = list(itertools.islice(filter(over, self._tasks.values()), limit))
        for task in doomed:
            self._finish(task, State.CANCELLED, EXPIRED, now)
        return len(doomed)

    def _drop(self, now: float, limit: int) -> int:
        def old(task: Task) -> bool:
            if not task.state.final or task.finished is None or self._is_needed(task):
                return False
            dead = task.state is State.FAILED or self._may_be_needed_again(task)
            return task.finished + (self._dead_retention if dead else self._retention) <= now

        return self.forget(
            [task.message.id for task in itertools.islice(filter(old, self._tasks.values()), limit)]
        )

    def _may_be_needed_again(self, task: Task) -> bool:
        """Say whether a task that has failed, or was requeued, was given *task*'s result, or a join's."""
        for dependant in map(self._tasks.get, task.dependants):
            if dependant is None:
                continue
            join = dependant.message.after is not None and dependant.message.after.join
            is_requeued = dependant.message.after is None and not dependant.state.final
            if self._has_failed_itself(dependant) or is_requeued:
                return True
            if join and self._may_be_needed_again(dependant):
                return True
        return False

    def count(self, teller: str, number: int, tallies: Sequence[Tally], now: float) -> bool:
        """Keep what was counted; see `Broker.count`."""
        with self._lock:
            return self._tallies.count(teller, number, tallies, now)

    # --- questions ----------------------------------------------------------------------------------

    def statistics(self, since: float, until: float) -> list[Tally]:
        """Return what was counted; see `Backend.statistics`."""
        with self._lock:
            return self._tallies.between(since, until)

    def counted(self) -> list[Tally]:
        """Return what was ever counted; see `Backend.counted`."""
        with self._lock:
            return self._tallies.counted()

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return records; see `Backend.get`."""
        with self._lock:
            return [self._tasks[task_id].record() if task_id in self._tasks else None for task_id in ids]

    def parents(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[str]:
        """Return what a task waits for; see `Backend.parents`."""
        with self._lock:
            task = self._tasks.get(id)
            return task.parents[start : start + count] if task is not None else []

    def inputs(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[tuple[str, bytes | None]]:
        """Return what a task is given; see `Backend.inputs`."""
        with self._lock:
            found = [(each, self._tasks.get(each)) for each in self.parents(id, start, count)]
            return [(each, None if task is None else task.own_result()) for each, task in found]

    def dependants(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[str]:
        """Return who waits for a task; see `Backend.dependants`."""
        with self._lock:
            task = self._tasks.get(id)
            return task.dependants[start : start + count] if task is not None else []

    def explain(self, id: str, now: float) -> Situation | None:
        """Return what decides whether a task may be claimed; see `Backend.explain`."""
        with self._lock:
            task = self._tasks.get(id)
            if task is None:
                return None
            queue, name = task.message.queue, task.message.name
            alive = [worker for worker in self._workers.values() if worker.lease_ends > now]
            listening = [worker for worker in alive if queue in worker.info.queues]
            knowing = [worker for worker in listening if name in worker.info.names]
            limit = task.message.limit
            lane = None if limit is None else self._lanes.of(task.message)
            waits_for = [each for each in task.parents if each in task.open and task.state is State.WAITING]
            return Situation(
                task.record(),
                paused=queue in self._paused,
                parked=task.parked,
                held=task.held,
                listening=len(listening),
                knowing=len(knowing),
                free=sum(max(0, worker.info.slots - len(worker.running)) for worker in knowing),
                before=self._before(task),
                parents=tuple(waits_for[:SOME]),
                open=len(waits_for),
                running=0 if lane is None else lane.running,
                holders=tuple(self._holders(task))[:SOME],
                wakes=None if lane is None or lane.has_room(now) else lane.lacks_token(),
            )

    def _before(self, task: Task) -> int:
        """Count the tasks of its queue that go before a queued one that stands where workers look."""
        sent = task.message
        line = self._ready[sent.queue, sent.priority]
        if task.state is not State.QUEUED or task.parked or task.held:
            return 0
        higher = sum(len(self._ready[sent.queue, priority]) for priority in range(sent.priority + 1, 10))
        return min(MOST_BEFORE, higher + line.index(sent.id))

    def _holders(self, task: Task) -> list[str]:
        """Return the ids of the running tasks of its lane."""
        limit = task.message.limit
        running = self._in(State.RUNNING) if limit is not None else ()
        lanes = ((other.message.id, other.message.limit) for other in running)
        return sorted(
            found
            for found, other in lanes
            if other is not None and limit is not None and other.lane == limit.lane
        )

    def pending(self, after: str = "", count: int = PENDING_AT_ONCE) -> Pending:
        """Return some tasks that have not started; see `Backend.pending`."""
        with self._lock:
            waiting = [task for task in self._tasks.values() if task.state < State.RUNNING]
            behind = sorted(task.message.id for task in waiting if task.message.id > after)
            records = [self._tasks[each].record() for each in behind[:count]]
        return Pending(records, behind[count - 1] if len(behind) > count else "")

    def dead(self, after: str = "", count: int = DEAD_AT_ONCE, before: float | None = None) -> Dead:
        """Return some failed tasks; see `Backend.dead`."""
        with self._lock:
            failed = sorted(
                (((task.finished or 0.0), task.message.id, task) for task in self._in(State.FAILED)),
                reverse=True,
            )
            found = [each for each in failed if _is_behind(each[:2], after, before)]
            records = [task.record() for _, _, task in found[:count]]
        last = found[count - 1][:2] if len(found) > count else None
        return Dead(records, "" if last is None else f"{last[0]!r} {last[1]}")

    def find(
        self,
        criteria: Criteria = ANY,
        after: str = "",
        count: int = FOUND_AT_ONCE,
        limit: int = LOOKED_AT,
    ) -> Found:
        """Look for tasks; see `Backend.find`."""
        with self._lock:
            return finding.find(self._tasks.values(), criteria, after, count, limit)

    def totals(self) -> dict[State, Total]:
        """Count tasks; see `Backend.totals`."""
        with self._lock:
            return finding.totals(self._tasks.values())

    def running(self, worker: str) -> list[Record]:
        """Return the records of what a worker holds; see `Backend.running`."""
        with self._lock:
            holder = self._workers.get(worker)
            return [self._tasks[each].record() for each in sorted(holder.running if holder else ())]

    def read_log(self, id: str, after: int = 0, count: int = LOG_AT_ONCE) -> list[Entry]:
        """Return lines of a task's log; see `Backend.read_log`."""
        with self._lock:
            return self._notebook.read(id, after, count)

    def activity(self, after: int = 0, count: int = ACTIVITY_AT_ONCE) -> list[Deed]:
        """Return what was done last; see `Backend.activity`."""
        with self._lock:
            return self._notebook.deeds(after, count)

    def queues(self) -> list[QueueInfo]:
        """Return the queues; see `Backend.queues`."""
        counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        with self._lock:
            for task in self._tasks.values():
                if not task.state.final:
                    counts[task.message.queue][task.state.name.lower()] += 1
                    counts[task.message.queue]["parked"] += task.parked
                    counts[task.message.queue]["held"] += task.held
            paused, oldest = set(self._paused), self._oldest()
        names = sorted(paused.union(counts))
        return [
            QueueInfo(name, **counts[name], paused=name in paused, oldest=oldest.get(name)) for name in names
        ]

    def _oldest(self) -> dict[str, float]:
        """Return when the oldest of the first ones of each queue's lines was sent."""
        firsts = [(queue, self._tasks[line[0]]) for (queue, _), line in self._ready.items() if line]
        oldest: dict[str, float] = {}
        for queue, task in firsts:
            oldest[queue] = min(task.message.created, oldest.get(queue, task.message.created))
        return oldest

    def workers(self, now: float) -> list[WorkerInfo]:
        """Return the workers; see `Backend.workers`."""
        with self._lock:
            alive = [worker for _, worker in sorted(self._workers.items()) if worker.lease_ends > now]
            return [worker.described() for worker in alive]

    def schedules(self, names: Sequence[str] | None = None) -> list[Schedule]:
        """Return schedules; see `Backend.schedules`."""
        with self._lock:
            wanted = self._schedules.keys() if names is None else self._schedules.keys() & names
            return [self._schedules[name] for name in sorted(wanted)]

    def next_schedules(self, count: int) -> list[Schedule]:
        """Return the first schedules that are due; see `Backend.next_schedules`."""
        with self._lock:
            known = [each for each in self._schedules.values() if each.due is not None and not each.paused]
        return sorted(known, key=lambda each: (each.due, each.name))[:count]

    def listener(self) -> Listener:
        """Return a new ear; see `Backend.listener`."""
        return MemoryListener(self.watch, self._unwatch)

    def watch(self, listener: MemoryListener, ids: Sequence[str]) -> list[Record | None]:
        """Return the records and let *listener* hear of their changes."""
        with self._lock:
            for task_id in ids:
                task = self._tasks.get(task_id)
                if task is not None and not task.state.final:
                    self._watched[task_id].add(listener)
            return self.get(ids)

    def _unwatch(self, listener: MemoryListener) -> None:
        with self._lock:
            for listeners in self._watched.values():
                listeners.discard(listener)

    def bell(self, worker: str) -> Bell:
        """Return the bell of *worker*; see `Broker.bell`."""
        with self._lock:
            holder = self._workers[worker]
            holder.bell = MemoryBell(lambda: self._pass_on(worker))
            return holder.bell  # type: ignore[no-any-return]

    def _pass_on(self, worker: str) -> None:
        with self._lock:
            holder = self._workers.get(worker)
            queues = holder.info.queues if holder else ()
            if holder is not None:
                holder.hungry = False
            for queue in queues:
                if any(self._ready[queue, priority] for priority in range(10)):
                    self._ring(queue)


def _is_behind(place: tuple[float, str], after: str, before: float | None) -> bool:
    """Say whether a failed task, told by when it failed and its id, comes behind what was asked for."""
    if after:
        moment, _, task_id = after.partition(" ")
        return place < (float(moment), task_id)
    return before is None or place[0] < before


def _first_of_each(messages: Sequence[Message]) -> Iterable[Message]:
    """Drop later messages with an id that stood before."""
    first: dict[str, Message] = {}
    for message in messages:
        first.setdefault(message.id, message)
    return first.values()
