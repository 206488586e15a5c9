"""What `Backend` asks, and who hears of changes; nothing here moves a task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from celeriac.broker import (
    DEAD_AT_ONCE,
    FOUND_AT_ONCE,
    LINKS_AT_ONCE,
    LOOKED_AT,
    MOST_BEFORE,
    PENDING_AT_ONCE,
    SOME,
    Bell,
    Dead,
    Found,
    Listener,
    Pending,
    QueueInfo,
    Schedule,
    Situation,
    Total,
    WorkerInfo,
)
from celeriac.brokers.memory import finding
from celeriac.brokers.memory.core import Core
from celeriac.brokers.memory.ears import MemoryBell, MemoryListener
from celeriac.brokers.memory.records import Task
from celeriac.criteria import ANY, Criteria
from celeriac.message import Record
from celeriac.states import State
from celeriac.steering import (
    ACTIVITY_AT_ONCE,
    LOG_AT_ONCE,
    Deed,
    Entry,
)
from celeriac.tally import Tally


class Questions(Core):
    """Answers."""

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
