"""What the store really did, call by call, and what the tasks' code did; and whether each answer was right.

A verb is noted when the store has done it, also where its caller never heard of it. What is wrong is kept in
`broken`: it must not be raised where the product would catch it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from celeriac.broker import Beat, Exchanged, Report, ScheduleChange, Tended, WorkerInfo
from celeriac.lanes import ENOUGH
from celeriac.message import Delivery, Message, decode_options
from celeriac.outcome import REVOKED, Settlement
from celeriac.states import State, Verdict
from celeriac.steering import Command
from tests.simulation.known import Bucket, Known
from tests.simulation.steering import Steering
from tests.simulation.stores import RETENTION

CALM_BEFORE = 15.0  # seconds after which what went wrong before has no consequences
SOON = 3.0  # seconds after which a task that is to be terminated has noticed
_FINAL = (Verdict.SUCCEEDED, Verdict.FAILED, Verdict.CANCELLED)


class History:
    """What has happened so far.

    Attributes:
        tasks: all that were ever accepted. open: those that were not seen to be final. touched: those
            of which a call spoke lately. gone: those whose records were dropped.
        latest: the latest moment that any request named: the store knows no later one.
        fired: each schedule and due time for which tasks were sent. out_of_turn: how often else they were.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self.broken: list[str] = []
        self.tasks: dict[str, Known] = {}
        self.open: set[str] = set()
        self.touched: set[str] = set()
        self.gone: set[str] = set()
        self.latest = 0.0
        self.workers: dict[str, WorkerInfo] = {}
        self.seen: dict[str, float] = {}
        self.trips: dict[str, int] = {}
        self.answered: dict[str, set[tuple[str, int]]] = {}
        self.lanes: dict[str, Bucket] = {}
        self.names: dict[str, str] = {}
        self.paused: set[str] = set()
        self.purged: set[str] = set()
        self.fired: set[tuple[str, float]] = set()
        self.due: dict[str, float | None] = {}
        self.out_of_turn: Counter[str] = Counter()
        self.tokens: set[str] = set()
        self.steering = Steering(world)

    def wrong(self, text: str) -> None:
        """Note that an invariant does not hold."""
        self.broken.append(text)

    def must(self, holds: bool, text: str) -> None:
        """Note *text* unless it *holds*."""
        if not holds:
            self.wrong(text)

    def died(self, actor: Any) -> None:
        """Note the death of a process."""

    # --- sending --------------------------------------------------------------------------------------

    def send(self, answer: int, messages: Sequence[Message], now: float) -> None:
        self._passes(now)
        new = [message for message in messages if self._is_new(message.id)]
        for message in new:
            self._accept(message, now)
        self.must(answer == len(new), f"send said that {answer} were new, and {len(new)} were")

    def send_unique(self, answer: Sequence[str], messages: Sequence[Message], now: float) -> None:
        self._passes(now)
        for message, holder in zip(messages, answer, strict=True):
            if message.unique is None or not self._is_new(message.id):
                continue
            name, before = message.unique.name, self.names.get(message.unique.name, "")
            if holder != message.id:
                self.must(
                    holder == before, f"{holder} stands for {message.id}, but {before or 'nobody'} has {name}"
                )
                continue
            if before not in ("", message.id) and message.unique.seconds is None:  # else it was forgotten
                self._check_freed(before, message)
            self.names[name] = message.id
            self._accept(message, now)

    def _check_freed(self, before: str, message: Message) -> None:
        [record] = self._world.store.truth.get([before])
        if message.unique.until == "forgotten":
            self.must(record is None, f"{message.id} got the name of {before}, which is not forgotten")
            return
        runs_on = message.unique.replace and record is not None and self.tasks[before].claims > 0
        freed = record is None or record.state.final or runs_on
        self.must(freed, f"{message.id} got the unique name of {before}, which has not ended")

    def advance(self, answer: Sequence[bool], changes: Sequence[ScheduleChange], now: float) -> None:
        self._passes(now)
        for done, change in zip(answer, changes, strict=True):
            if not done or change.schedule is None or change.schedule.token in self.tokens:
                continue
            self.tokens.add(change.schedule.token)
            self._fire(change)
            for message in change.messages:
                self._accept(message, now)

    def _fire(self, change: ScheduleChange) -> None:
        name, due = change.name, change.schedule.due
        if due == self.due.get(name):  # somebody has it run out of turn
            self.out_of_turn[name] += bool(change.messages)
            return
        self.due[name] = due
        for moment in {decode_options(message.options).due for message in change.messages}:
            self.must((name, moment) not in self.fired, f"schedule {name} was fired twice for {moment}")
            self.fired.add((name, moment))

    def extend(self, answer: bool, join: str, messages: Sequence[Message], ends: Any, now: float) -> None:
        self._passes(now)
        if answer:
            self._accept_new(messages, now)
            self.tasks[join].more_parents += ends

    def _accept_new(self, messages: Sequence[Message], now: float) -> None:
        for message in messages:
            if self._is_new(message.id):
                self._accept(message, now)

    def _is_new(self, task_id: str) -> bool:
        return task_id not in self.tasks

    def _accept(self, message: Message, now: float) -> None:
        self.tasks[message.id] = Known(message, not_before=message.eta or 0.0)
        self.open.add(message.id)
        self.touched.add(message.id)
        limit = message.limit
        if limit is not None:
            lane = self.lanes.setdefault(limit.lane, Bucket(limit, limit.burst, now))
            lane.limit, lane.tokens = limit, min(lane.tokens, limit.burst)

    # --- trips ----------------------------------------------------------------------------------------

    def exchange(
        self, answer: Exchanged, worker: str, *, trip: int, finished: Sequence[Settlement] = (),
        want: int = 0, now: float, **_: Any,
    ) -> None:  # fmt: skip
        self._passes(now)
        self.must(answer.lost == (worker not in self.workers), f"{worker} was told lost={answer.lost}")
        if answer.lost:
            return
        claims = {(claim.id, claim.fence) for claim in answer.claims}
        if trip <= self.trips.get(worker, 0):
            known = self.answered.get(worker, set()) if trip == self.trips.get(worker, 0) else set()
            self.must(claims <= known, f"{worker} repeated trip {trip} and got {claims - known} for it")
            return
        self.trips[worker], self.answered[worker] = trip, claims
        expected = [each.id for each in finished if not self._settle(worker, each, now)]
        refused = sorted(answer.refused)
        self.must(
            refused == sorted(expected), f"{worker} was refused {refused} instead of {sorted(expected)}"
        )
        self.must(len(claims) <= want, f"{worker} got {len(claims)} tasks and wanted {want}")
        self.steering.claims(worker, trip, answer.claims)
        for claim in answer.claims:
            self._claim(worker, claim, now)

    def _settle(self, worker: str, settlement: Settlement, now: float) -> bool:
        """Note a settlement; say whether its worker held the task."""
        known = self.tasks.get(settlement.id)
        if known is None or known.holder != (worker, settlement.fence):
            return False
        verdict = settlement.verdict
        self.steering.settles(settlement, known.message.queue, known.message.name)
        self._let_go(known, verdict.name.lower(), now)
        if verdict is Verdict.RETURNED and (limit := known.message.limit) is not None:
            lane = self.lanes[limit.lane]
            lane.tokens = min(lane.limit.burst, lane.tokens + 1)
        if verdict in _FINAL:
            known.accepted = settlement
        elif not known.will_not_run_again:
            known.retries += verdict is Verdict.RETRY
            known.crashes += verdict is Verdict.CRASHED
            known.not_before = settlement.due if verdict is not Verdict.CRASHED else 0.0
        return True

    def _let_go(self, known: Known, how: str, now: float) -> None:
        known.ended[known.claims] = how
        self.touched.add(known.message.id)
        known.holder = None
        if known.message.limit is not None:
            self.lanes[known.message.limit.lane].running -= 1

    def _claim(self, worker: str, claim: Delivery, now: float) -> None:
        known, info = self.tasks.get(claim.id), self.workers[worker]
        if known is None:
            self.wrong(f"{worker} got {claim.id}, which nobody has sent")
            return
        sent = known.message
        self.must(known.holder is None, f"{worker} got {sent.id}, which {known.holder} holds")
        self.must(claim.fence == known.claims + 1, f"{sent.id}: fence {claim.fence} after {known.claims}")
        self.must(not known.will_not_run_again, f"{worker} got {sent.id}, which was revoked")
        self.must(known.accepted is None and known.final is None, f"{worker} got {sent.id}, which has ended")
        self.must(sent.queue in info.queues, f"{worker} got {sent.id} from {sent.queue}")
        self.must(sent.name in info.names, f"{worker} got {sent.id} and does not know {sent.name}")
        self.must(sent.queue not in self.paused, f"{worker} got {sent.id} from a paused queue")
        self.must(known.not_before <= self.latest, f"{worker} got {sent.id} before it was due")
        self.must(sent.expires is None or now < sent.expires, f"{worker} got {sent.id} after it expired")
        self.touched.add(claim.id)
        counts = (claim.retries, claim.crashes)
        self.must(counts == (known.retries, known.crashes), f"{sent.id} was delivered with counts {counts}")
        self._check_parents(sent)
        known.claims, known.holder = claim.fence, (worker, claim.fence)
        if sent.limit is not None:
            self._take_place(sent, now)

    def _check_parents(self, sent: Message) -> None:
        after = sent.after
        if after is None or not after.parents:
            return
        wanted = State.FAILED if after.on == "failure" else State.SUCCEEDED
        for parent, record in zip(after.parents, self._world.store.truth.get(after.parents), strict=True):
            done = record is None or record.state is wanted
            self.must(done, f"{sent.id} was claimed before {parent}, for which it waits, had {wanted.name}")

    def _take_place(self, sent: Message, now: float) -> None:
        """Take a token, of those that there can be at most: other requests may have named later moments."""
        lane = self.lanes[sent.limit.lane]
        limit = lane.limit
        lane.tokens = limit.tokens_at(lane.tokens, lane.since, self.latest)
        lane.since = max(lane.since, now)
        lane.running += 1
        most = limit.concurrency
        self.must(most is None or lane.running <= most, f"{lane.running} of {limit.lane} run, {most} may")
        enough = limit.rate is None or lane.tokens >= ENOUGH - 1e-6
        self.must(enough, f"{sent.id} of {limit.lane} started with {lane.tokens} tokens left")
        lane.tokens -= 1

    def replace(
        self, answer: bool, worker: str, task: str, fence: int, graph: Sequence[Message], end: str, now: float
    ) -> None:
        self._passes(now)
        known = self.tasks[task]
        if known.holder != (worker, fence):
            self.must(not answer or known.stands_for == end, f"{task} was replaced by who does not hold it")
            return
        self.must(answer, f"{worker} holds {task} and was refused to replace it")
        self._let_go(known, "replaced", now)
        if not known.will_not_run_again:
            known.stands_for = end
            self._accept_new(graph, now)

    # --- workers --------------------------------------------------------------------------------------

    def enlist(self, answer: None, worker: WorkerInfo, now: float) -> None:
        self._passes(now)
        self.workers[worker.id], self.seen[worker.id] = worker, now

    def heartbeat(self, answer: Beat, workers: Sequence[str], now: float, pulses: object = None) -> None:
        self._passes(now)
        for worker in workers:
            known = worker in self.workers
            self.must((worker in answer.lost) != known, f"the heartbeat of {worker} was misunderstood")
            if known:
                self.seen[worker] = max(self.seen[worker], now)

    def command(self, answer: Sequence[bool], workers: Sequence[str], command: Command, now: float) -> None:
        known = [worker in self.workers for worker in workers]
        self.must(list(answer) == known, f"{command.verb} to {workers} was answered {answer}")
        self.steering.told.update(worker for worker, told in zip(workers, answer, strict=True) if told)

    def report(self, answer: Sequence[str], worker: str, reports: Sequence[Report], now: float) -> None:
        self._passes(now)
        held = {each.id for each in reports if self._holds(worker, each)}
        refused = [each.id for each in reports if each.id not in held]
        self.must(sorted(answer) == sorted(refused), f"{worker}: reports {answer} refused, not {refused}")

    def _holds(self, worker: str, report: Report) -> bool:
        known = self.tasks.get(report.id)
        return known is not None and known.holder == (worker, report.fence)

    def retire(self, answer: int, workers: Sequence[str], now: float, error: bytes = b"") -> None:
        self._passes(now)
        held = sum(self._bury(worker, now) for worker in workers)
        left_by_itself = getattr(self._world.moving, "name", "") == workers[0].rpartition(".")[0]
        self.must(not (left_by_itself and held), f"{workers} left in good order, and still held {held} tasks")
        self.must(answer == held, f"{workers} held {held} tasks, and {answer} were recovered")

    def tend(self, answer: Tended, now: float, limit: int = 0) -> None:
        self._passes(now)
        for worker in answer.buried:
            ends = self.seen.get(worker, 0.0) + self.workers[worker].lease
            self.must(ends <= now, f"{worker} was buried {ends - now} s before its lease ran out")
            self._check_burial(worker)
        held = sum(self._bury(worker, now) for worker in answer.buried)
        self.must(answer.recovered == held, f"{answer.buried} held {held}, not {answer.recovered}")

    def _check_burial(self, worker: str) -> None:
        """Nobody who lives loses his lease once nothing has gone wrong for a while."""
        world = self._world
        name = worker.rpartition(".")[0]
        lives = any(actor.name == name and actor.works_as(worker) for actor in world.actors)
        calm = world.time > world.calm_since + CALM_BEFORE
        self.must(not (calm and lives), f"{worker} lost its lease, and nothing has gone wrong")

    def _bury(self, worker: str, now: float) -> int:
        if self.workers.pop(worker, None) is None:
            return 0
        self.trips.pop(worker, None)
        held = [known for known in self.tasks.values() if known.holder and known.holder[0] == worker]
        for known in held:
            self._let_go(known, "buried", now)
            if not known.will_not_run_again:
                known.crashes += 1
                known.not_before = 0.0
        return len(held)

    # --- those who interfere ---------------------------------------------------------------------------

    def cancel(
        self, answer: Sequence[str], ids: Sequence[str], now: float, *, terminate: bool = False,
        error: bytes = REVOKED,
    ) -> None:  # fmt: skip
        self._passes(now)
        for task_id, came_to in zip(ids, answer, strict=True):
            known = self.tasks.get(task_id)
            self.touched.add(task_id)
            if came_to == "unknown":
                self.must(self._may_be_gone(known), f"{task_id} is not known to those who revoke it")
            elif known is None:
                self.wrong(f"cancel of {task_id}, which nobody has sent, came to {came_to}")
            else:
                runs = known.holder is not None
                right = came_to in ("stopping", "noted") if runs else came_to in ("cancelled", "final")
                self.must(right, f"cancel of {task_id} came to {came_to}, and it is held by {known.holder}")
                known.revoked.append(came_to)
                known.stop_asked = self._world.time if came_to == "stopping" else known.stop_asked

    def _may_be_gone(self, known: Known | None) -> bool:
        return known is None or (known.final is not None and known.final[-1] + RETENTION <= self.latest)

    def reschedule(self, answer: Sequence[bool], ids: Sequence[str], due: float, now: float) -> None:
        self._passes(now)
        for task_id, done in zip(ids, answer, strict=True):
            if done:
                self.tasks[task_id].not_before = due

    def forget(self, answer: int, ids: Sequence[str]) -> None:
        gone = [
            each
            for each, record in zip(ids, self._world.store.truth.get(list(ids)), strict=True)
            if record is None and each in self.tasks
        ]
        by_this = [each for each in gone if not self._may_be_gone(self.tasks[each])]
        right = len(by_this) <= answer <= len(gone)
        self.must(right, f"{answer} records were forgotten, and {len(gone)} are gone")
        for task_id in gone:
            self.must(self.tasks[task_id].holder is None, f"{task_id} was forgotten while it ran")
            self.drop(task_id)

    def drop(self, task_id: str) -> None:
        """Note that there is no record of a task any more."""
        self.gone.add(task_id)
        self.open.discard(task_id)
        del self.tasks[task_id]

    def purge(self, answer: int, queue: str, now: float, limit: int = 0) -> None:
        self._passes(now)
        self.purged.add(queue)

    def pause(self, answer: bool, queue: str, now: float) -> None:
        self.must(answer == (queue not in self.paused), f"pause of {queue} said {answer}")
        self.paused.add(queue)

    def resume(self, answer: bool, queue: str, now: float) -> None:
        self.must(answer == (queue in self.paused), f"resume of {queue} said {answer}")
        self.paused.discard(queue)

    # --- what the tasks' code does -----------------------------------------------------------------------

    def starts(self, task_id: str, fence: int) -> None:
        known = self.tasks.get(task_id)
        if known is None:
            self.must(task_id in self.gone, f"{task_id} started, which nobody has sent")
            return
        self.must(fence not in known.started, f"{task_id} started twice under fence {fence}")
        self.must(0 < fence <= known.claims, f"{task_id} started under fence {fence}, which nobody got")
        for earlier in known.returned:
            how = known.ended.get(earlier)
            lost = how in ("buried", "crashed", "retry") or earlier == fence
            self.must(
                lost or earlier > fence, f"{task_id} runs again, although its lease {earlier} was {how}"
            )
        known.started[fence] = self._world.time

    def returns(self, task_id: str, fence: int) -> None:
        known = self.tasks.get(task_id)
        if known is None:
            return
        if (
            fence not in known.ended
        ):  # else it was given back before: the worker stopped, and it did not react
            known.returned.add(fence)
        late = self._world.time - known.stop_asked > SOON
        self.must(not (late and self._world.flawless), f"{task_id} went on after it was to be terminated")

    def _passes(self, now: float) -> None:
        self.latest = max(self.latest, now)
