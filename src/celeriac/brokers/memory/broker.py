"""The store inside one process, for tests; and the contract of `broker` in executable form.

Plain Python under one lock and no cleverness: what it does is what every store must do. Nothing
here is fast for its own sake, and nothing outlives the process.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

import msgspec

from celeriac.broker import (
    TEND_LIMIT,
    Beat,
    Broker,
    Cancelled,
    Report,
    ScheduleChange,
    Tended,
    check_changes,
)
from celeriac.brokers.memory.exchange import Exchange
from celeriac.brokers.memory.questions import Questions
from celeriac.brokers.memory.records import Holder, Task
from celeriac.message import Message, Unique, bare
from celeriac.outcome import (
    EXPIRED,
    LEASE_LOST,
    PURGED,
    REVOKED,
    SUPERSEDED,
)
from celeriac.states import State, Verdict
from celeriac.steering import (
    MOST_COMMANDS,
    Command,
    Deed,
    Line,
    Pulse,
)
from celeriac.tally import Tally


class MemoryBroker(Exchange, Questions, Broker):
    """Everything in dictionaries.

    Args:
        url: `memory://`; each broker object is a store of its own.
        retention: seconds for which finished records are kept. dead_retention: those of failed tasks.
    """

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close: a store in memory ends with its object."""

    def ping(self) -> None:
        """It is always there."""

    def send(self, messages: Sequence[Message], now: float) -> int:
        """Accept *messages*; see `Broker.send`."""
        with self._lock:
            return self._send(messages, now)

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
        task.note_attempt(Verdict.FAILED, task.error, now if task.finished is None else task.finished)
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
        late = (task for task in self._tasks.values() if self._is_late(task, now))
        doomed = list(itertools.islice(late, limit))
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
