"""Kill whatever there is, at random moments; then ask for each task what has become of it."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from celeriac.message import Record
from celeriac.states import State
from soak.processes import Member, Site
from soak.shop import EVERY

AT_ONCE: Final = 1_000
SAMPLE: Final = 100
ENVIRONMENT: Final = {"SOAK_TICKS": "1"}
QUIET: Final = 240.0  # seconds that all which was sent has to end, once nothing is killed any more
KINDS: Final = ("child", "child", "child", "supervisor", "group", "group", "producer", "beat")


class Verdict(msgspec.Struct):
    """What has come out of it.

    Attributes:
        sent: tasks of which a producer knew that the store has them. ran: tasks whose code has begun.
        runs: how often that was in all.
        again: runs that were not the first, and are neither retries nor explained by a death that is counted.
        lost: tasks that were sent, and have not succeeded. stuck: tasks that have not ended.
        changed: tasks that had ended, and were something else later.
        twice: due times of the schedule for which more than one task was sent. missed: those with none.
        fired: for how many the schedule says that it has sent. gaps: where some are missing.
        tracebacks: in the logs of all processes.
    """

    store: str
    seconds: float = 0.0
    kills: dict[str, int] = {}
    sent: int = 0
    ran: int = 0
    runs: int = 0
    crashes: int = 0
    again: int = 0
    lost: int = 0
    stuck: int = 0
    changed: int = 0
    watched: int = 0
    due_times: int = 0
    twice: int = 0
    missed: int = 0
    fired: int = 0
    gaps: list[tuple[float, float]] = []
    tracebacks: int = 0

    @property
    def good(self) -> bool:
        """Whether all is as if nothing had been killed."""
        return not (self.again or self.lost or self.stuck or self.changed or self.twice or self.missed)


def run(
    site: Site, *, kills: int, tasks: int, seed: int, tell: Callable[[str], None] = lambda _: None
) -> Verdict:
    """Kill *kills* times at least, and send *tasks* at least; return what has come out of it."""
    began, chance = time.monotonic(), random.Random(seed)
    verdict = Verdict(site.url.partition(":")[0])
    workers = [site.worker("--processes", "2", "-c", "4", "-Q", "work") for _ in range(2)]
    others = [site.producer(0.15), site.producer(0.15), site.beat()]
    eyes = Eyes(site)
    eyes.start()
    counts: Counter[str] = Counter()
    told = began
    while counts.total() < kills or _lines(site.folder.glob("sent-*")) < tasks:
        time.sleep(chance.uniform(0.2, 1.0))  # a worker needs half a second to begin
        counts[_kill_one(chance, workers, others)] += 1
        for member in site.members:
            member.revive()
        if time.monotonic() - told > 30:
            told = time.monotonic()
            tell(f"{counts.total()} kills, {_lines(site.folder.glob('sent-*')):,} tasks sent")
    for member in others:
        member.end()
    verdict.kills = dict(counts)
    _judge(site, verdict, eyes, tell)
    verdict.seconds = time.monotonic() - began
    return verdict


def _kill_one(chance: random.Random, workers: list[Member], others: list[Member]) -> str:
    """Kill something; return what it was."""
    kind = chance.choice(KINDS)
    if kind in ("producer", "beat"):
        chance.choice([member for member in others if member.kind == kind]).kill_all()
        return kind
    victim = chance.choice(workers)
    if kind == "group":
        victim.kill_all()
        return kind
    if kind == "supervisor":
        victim.kill(victim.process.pid)
        victim.process.wait()
        return kind
    children = victim.children()
    if children:
        victim.kill(chance.choice(children))
        return kind
    victim.kill_all()
    return "group"


class Eyes(threading.Thread):
    """Looks at tasks that have ended, and again later: whether they are still what they were."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._chance = random.Random(1)
        self._closed = threading.Event()
        self.seen: dict[str, tuple[Any, ...]] = {}
        self.changed: set[str] = set()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._closed.wait(1.0):
            ids = list(_ids(self._site.folder.glob("sent-*")))
            self.look([*self._chance.sample(ids, min(SAMPLE, len(ids))), *self._some_seen()])

    def _some_seen(self) -> list[str]:
        return self._chance.sample(list(self.seen), min(SAMPLE, len(self.seen)))

    def look(self, ids: list[str]) -> None:
        """Look at these."""
        for record in _records(self._site, ids):
            if record.id in self.seen:
                if _end_of(record) != self.seen[record.id]:
                    self.changed.add(record.id)
            elif record.state.final:
                self.seen[record.id] = _end_of(record)

    def close(self) -> None:
        """Stop, and look a last time at all that was seen."""
        self._closed.set()
        self.join()
        self.look(list(self.seen))


def _end_of(record: Record) -> tuple[Any, ...]:
    return record.state, record.finished, record.result, record.error, record.fence


def _judge(site: Site, verdict: Verdict, eyes: Eyes, tell: Callable[[str], None]) -> None:
    site.app.schedules.pause("ticks")
    deadline = time.monotonic() + QUIET
    while (left := _unfinished(site)) and time.monotonic() < deadline:
        tell(f"{left:,} tasks are left")
        time.sleep(2.0)
    verdict.stuck = left
    eyes.close()
    verdict.watched, verdict.changed = len(eyes.seen), len(eyes.changed)
    sent = set(_ids(site.folder.glob("sent-*")))
    verdict.sent = len(sent)
    found = {record.id: record for record in _records(site, sent)}
    verdict.lost = sum(
        task_id not in found or found[task_id].state is not State.SUCCEEDED for task_id in sent
    )
    _judge_runs(site, verdict)
    verdict.tracebacks = site.tracebacks()


def _judge_runs(site: Site, verdict: Verdict) -> None:
    runs: Counter[str] = Counter()
    ticks: defaultdict[float, set[str]] = defaultdict(set)
    for line in _effects(site.folder):
        task_id, name, due = line.split(" ")
        runs[task_id] += 1
        if name.endswith(".tick") and due:
            ticks[round(float(due), 3)].add(task_id)
    verdict.ran, verdict.runs = len(runs), runs.total()
    for record in _records(site, runs):
        verdict.crashes += record.crashes
        verdict.again += max(0, runs[record.id] - 1 - record.retries - record.crashes)
    due_times = sorted(ticks)
    verdict.due_times, verdict.twice = len(due_times), sum(len(ids) > 1 for ids in ticks.values())
    verdict.fired = site.app.schedules.get("ticks").runs
    steps = itertools.pairwise(due_times)
    verdict.gaps = [(one, round(other - one, 3)) for one, other in steps if other - one > 1.5 * EVERY]
    verdict.missed = sum(round(gap / EVERY) - 1 for _, gap in verdict.gaps)


def _unfinished(site: Site) -> int:
    return sum(
        queue.queued + queue.scheduled + queue.running + queue.waiting for queue in site.app.broker.queues()
    )


def _records(site: Site, ids: Iterable[str]) -> Iterator[Record]:
    wanted = list(ids)
    for start in range(0, len(wanted), AT_ONCE):
        for record in site.app.broker.get(wanted[start : start + AT_ONCE]):
            if record is not None:
                yield record


def _ids(logs: Iterable[Path]) -> Iterator[str]:
    """Read whole lines; a kill may leave half of one, whose tasks nobody was promised."""
    for log in logs:
        yield from log.read_text().rpartition("\n")[0].split()


def _effects(folder: Path) -> Iterator[str]:
    for log in folder.glob("effects-*"):
        yield from filter(None, log.read_text().rpartition("\n")[0].split("\n"))


def _lines(logs: Iterable[Path]) -> int:
    return sum(log.read_bytes().count(b"\n") for log in logs)
