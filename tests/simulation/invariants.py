"""What must hold in the store after every step, and what once nothing goes wrong any more.

What one answer of the store must be like is checked in `history`.
"""

from collections import Counter
from typing import Any

from celeriac.attempts import MOST
from celeriac.beat.entry import decode_entry, decode_memory
from celeriac.beat.rules import passed
from celeriac.explaining import reason_of
from celeriac.message import Record
from celeriac.outcome import EXPIRED, NOT_NEEDED, PARENT_REVOKED, PURGED, SUPERSEDED
from celeriac.states import State, Verdict
from tests.simulation.known import Known
from tests.simulation.stores import RETENTION

OFTEN = 8  # steps
SELDOM = 64
_COUNTED = (State.QUEUED, State.SCHEDULED, State.RUNNING, State.WAITING)


class Invariants:
    """Looks at the store, and compares it with what has happened."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._checks = 0

    def check(self) -> None:
        """Check the tasks that were touched lately, now and then all that are under way, seldom all of them.

        Raises:
            Broken: something does not hold; the error says what.
        """
        history = self._world.history
        self._checks += 1
        if self._checks % (SELDOM if self._world.calm else OFTEN) == 0:
            self._check_open()
        elif history.touched:
            self._check_tasks(sorted(history.open & history.touched))
        history.touched.clear()
        if self._checks % SELDOM == 0:
            self._check_ended()
            history.steering.check_numbers()
        self._raise()

    def _check_open(self) -> None:
        open_ones = self._check_tasks(sorted(self._world.history.open))
        self._check_counts(Counter((each.message.queue, each.state) for each in open_ones))
        if self._checks % SELDOM == 0:
            self._world.history.steering.check_search(open_ones)

    def _check_tasks(self, ids: list[str]) -> list[Record]:
        """Check some tasks; return the records of those that have not ended."""
        history, unfinished = self._world.history, []
        for task_id, record in zip(ids, self._world.store.truth.get(ids), strict=True):
            known = history.tasks[task_id]
            if record is None:
                history.wrong(f"{task_id} is lost: the store has no record of it")
                history.open.discard(task_id)
                continue
            self._check_record(known, record)
            if record.state.final:
                self._end(known, record)
            else:
                unfinished.append(record)
        return unfinished

    def _raise(self) -> None:
        if self._world.history.broken:
            from tests.simulation.world import Broken

            raise Broken(self._world.history.broken[0])

    def _check_record(self, known: Known, record: Record) -> None:
        wrong, name = self._world.history.wrong, record.message.name
        holder = (record.worker, record.fence) if record.state is State.RUNNING else None
        if known.holder != holder:
            wrong(f"{record.id} ({name}) is {record.state.name}, held by {holder} and not by {known.holder}")
        if not record.state.final and record.crashes > record.message.crash_limit:
            wrong(f"{record.id} ({name}) has cost {record.crashes} workers and goes on")
        counted = (record.fence, record.retries, record.crashes)
        expected = (known.claims, known.retries, known.crashes)
        if counted != expected:
            wrong(f"{record.id} ({name}): claims, retries, crashes are {counted}, not {expected}")
        if record.attempts:
            self._check_attempts(record)

    def _check_attempts(self, record: Record) -> None:
        """They are in order, and as many as were counted; a crash too many is told by the record itself."""
        must, fences = self._world.history.must, [each.fence for each in record.attempts]
        last = record.fence if record.state is not State.RUNNING else record.fence - 1
        in_order = fences == sorted(set(fences)) and fences[-1] <= last
        must(in_order, f"{record.id}: its attempts are {fences}, of {record.fence} claims")
        ends = Counter(each.verdict for each in record.attempts)
        if ends[Verdict.FAILED] or len(fences) == MOST:  # requeued, and counted anew; or more than are kept
            return
        crashes = min(record.crashes, record.message.crash_limit)
        counted, told = (record.retries, crashes), (ends[Verdict.RETRY], ends[Verdict.CRASHED])
        must(counted == told, f"{record.id}: retries and crashes are {counted}, its attempts say {told}")

    def _check_counts(self, counts: Counter[tuple[str, State]]) -> None:
        history = self._world.history
        said: Counter[tuple[str, State]] = Counter()
        for queue in self._world.store.truth.queues():
            for state in _COUNTED:
                said[queue.name, state] += getattr(queue, state.name.lower())
            paused = queue.name in history.paused
            history.must(queue.paused == paused, f"{queue.name}: paused is {queue.paused}")
        if said != counts:
            history.wrong(f"the queues hold {+counts}, and the store says {+said}")

    # --- ends -----------------------------------------------------------------------------------------

    def _end(self, known: Known, record: Record) -> None:
        history = self._world.history
        known.final = (record.state, record.result, record.error, record.finished)
        history.open.discard(record.id)
        why = getattr(self, f"_why_{record.state.name.lower()}")
        history.must(
            bool(why(known, record)),
            f"{record.id} ({record.message.name}) is {record.state.name} for no reason: {record.error!r}",
        )

    def _why_succeeded(self, known: Known, record: Record) -> bool:
        if self._is_accepted(known, Verdict.SUCCEEDED, record.result):
            return known.claims in known.returned
        after = known.message.after
        if after is not None and after.join:
            return all(self._ended_as(parent, State.SUCCEEDED) for parent in known.parents)
        return self._stood_for(known, State.SUCCEEDED)

    def _why_failed(self, known: Known, record: Record) -> bool:
        if b"UnknownTask" in record.error or b"InvalidArguments" in record.error:
            return False
        return (
            self._is_accepted(known, Verdict.FAILED, record.error)
            or known.crashes > record.message.crash_limit
            or self._parent_ended(known, State.FAILED)
            or self._stood_for(known, State.FAILED)
        )

    def _why_cancelled(self, known: Known, record: Record) -> bool:
        history, sent = self._world.history, record.message
        reasons = {
            EXPIRED: sent.expires is not None and sent.expires <= history.latest,
            PURGED: sent.queue in history.purged,
            PARENT_REVOKED: self._parent_ended(known, State.CANCELLED),
            NOT_NEEDED: sent.after is not None and sent.after.on == "failure",
            SUPERSEDED: record.id not in history.names.values(),
        }
        if reasons.get(record.error):
            return True
        return known.will_not_run_again or self._stood_for(known, State.CANCELLED)

    def _is_accepted(self, known: Known, verdict: Verdict, body: bytes) -> bool:
        settled = known.accepted
        return settled is not None and settled.verdict is verdict and settled.body == body

    def _stood_for(self, known: Known, state: State) -> bool:
        return bool(known.stands_for) and self._ended_as(known.stands_for, state)

    def _parent_ended(self, known: Known, state: State) -> bool:
        return any(self._ended_as(parent, state) for parent in known.parents)

    def _ended_as(self, task_id: str, state: State) -> bool:
        [record] = self._world.store.truth.get([task_id])
        return record is None or record.state is state

    def _check_ended(self) -> None:
        history, truth = self._world.history, self._world.store.truth
        ended = [task_id for task_id, known in history.tasks.items() if known.final is not None]
        for task_id, record in zip(ended, truth.get(ended), strict=True):
            if record is None:
                self._check_dropped(task_id)
                continue
            now = (record.state, record.result, record.error, record.finished)
            was = history.tasks[task_id].final
            history.must(now == was, f"{task_id} had ended as {was}, and now is {now}")

    def _check_dropped(self, task_id: str) -> None:
        """The record of a task that has ended is kept for as long as was asked, and then for who needs it."""
        history = self._world.history
        finished = history.tasks[task_id].final[-1]
        if finished + RETENTION > history.latest:
            history.wrong(f"{task_id} had ended {history.latest - finished} s ago, and its record is lost")
        history.drop(task_id)

    # --- when nothing goes wrong any more --------------------------------------------------------------

    def check_end(self) -> None:
        """Check that all that was accepted has come to its end.

        Raises:
            Broken: it has not.
        """
        history = self._world.history
        self._check_open()
        for task_id in sorted(history.open):
            now = self._world.time
            reason = reason_of(task_id, self._world.store.truth.explain(task_id, now), now)
            history.wrong(f"{task_id} ({history.tasks[task_id].message.name}) is stuck: {reason.text}")
        for looker in self._world.lookers:
            looker.check_end()
        self._check_schedules()
        self._check_ended()
        history.steering.check_numbers(all_of_them=self._world.flawless)
        heard = (each for actor in self._world.actors for each in actor.heard())
        history.steering.check_heard(each for each in heard if each[0] in history.workers)
        self._raise()

    def _check_schedules(self) -> None:
        """Each due time was fired for, or counted as missed."""
        history = self._world.history
        for schedule in self._world.store.truth.schedules():
            entry = decode_entry(schedule.entry, schedule.name)
            memory = decode_memory(schedule.memory, schedule.name)
            fired = sorted(due for name, due in history.fired if name == schedule.name)
            runs = len(fired) + history.out_of_turn[schedule.name]
            history.must(memory.runs == runs, f"{schedule.name} counts {memory.runs} runs, not {runs}")
            last = max(fired, default=None)
            if last is not None and not memory.overlapped and memory.held is None:
                due = passed(entry.rule, fired[0], last, 10_000)
                text = f"{schedule.name} was due at {due}, fired at {fired}, and missed {memory.missed}"
                history.must(len(due) <= len(fired) + memory.missed, text)
