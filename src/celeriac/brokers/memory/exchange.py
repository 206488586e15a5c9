"""exchange, and what else changes what a worker holds: enlist, replace, extend."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from celeriac.broker import (
    TEND_LIMIT,
    Exchanged,
    WorkerInfo,
)
from celeriac.brokers.memory.core import Core
from celeriac.brokers.memory.records import Holder, Task
from celeriac.message import Message, aged
from celeriac.outcome import (
    EXPIRED,
    REVOKED,
    Settlement,
)
from celeriac.states import State, Verdict


class Exchange(Core):
    """Settles and claims."""

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
            began = settlement.verdict is not Verdict.RETURNED
            task = self._let_go(holder, settlement.id, now, began=began)
            if self._settle_one(task, settlement, now):
                heads.append(task)
        for task in reversed(heads):
            self._queue(task, now, head=True)
        self._make_room(now)
        return refused

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
