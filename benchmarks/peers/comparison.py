"""One run: every measure of every peer, each beside the same measure of Celeriac a moment later."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from benchmarks.peers import measures
from benchmarks.peers.catalogue import ON_SQLITE, OURS, OURS_ON_SQLITE, Peer
from benchmarks.peers.environments import Environment, Missing

SHAPES: Final = ("group", "chord", "chain")
MEASURES: Final = ("drain def", "drain async", "send", "callers", "bulk", "latency", "naps", "bytes", *SHAPES)
TASKS: Final = {
    "drain def": "noop",
    "drain async": "anoop",
    "naps": "nap",
    "latency": "noop",
} | dict.fromkeys(SHAPES, "noop")
COUNTS: Final = {
    "drain def": 60_000,
    "drain async": 60_000,
    "send": 20_000,
    "callers": 20_000,
    "bulk": 60_000,
    "latency": 300,
    "naps": 10_000,
    "bytes": 10_000,
    "group": 20_000,
    "chord": 20_000,
    "chain": 2_000,
}
LEAST: Final = 1_000
LESS_IS_MORE: Final = ("latency", "bytes")


class Figure(msgspec.Struct):
    """What was measured of one peer at one setting: a value for each round, and ours beside it.

    Attributes:
        values, ours: tasks a second; for latency p50 and p99 in milliseconds; for bytes bytes.
    """

    peer: str
    measure: str
    setting: str
    values: list[list[float]] = []
    ours: list[list[float]] = []

    def median(self, part: int = 0) -> float:
        """Return the peer's figure."""
        return statistics.median(value[part] for value in self.values)

    def ratio(self, part: int = 0) -> float:
        """Return how many times better ours is: the median of the pairs."""
        pairs = [(our[part], value[part]) for our, value in zip(self.ours, self.values, strict=True)]
        if self.measure in LESS_IS_MORE:
            return statistics.median(value / our for our, value in pairs)
        return statistics.median(our / value for our, value in pairs)


class Outcome(msgspec.Struct):
    """All figures of a run.

    Attributes:
        head: when, where and how it was measured.
        versions: of each peer's packages. missing: what could not be measured, and why.
    """

    head: str
    figures: list[Figure] = []
    versions: dict[str, dict[str, str]] = {}
    missing: dict[str, str] = {}

    def best(self, peer: str, measure: str) -> Figure | None:
        """Return the figure of the peer's best setting; None where it was not measured."""
        found = [figure for figure in self.figures if (figure.peer, figure.measure) == (peer, measure)]
        return _best(found) if found else None

    def ours(self, measure: str, part: int = 0) -> float | None:
        """Return our own figure: the median of all that were taken beside the peers' (not on SQLite)."""
        rounds = [
            our[part]
            for figure in self.figures
            if figure.measure == measure and figure.peer not in ON_SQLITE
            for our in figure.ours
        ]
        return statistics.median(rounds) if rounds else None


class Comparison:
    """Measures *peers* and says with *say* how far it is.

    Args:
        scale: how many times the usual number of tasks.
    """

    def __init__(
        self, peers: Sequence[Peer], *, rounds: int, scale: float, say: Callable[[str], None]
    ) -> None:
        self._peers = list(peers)
        self._rounds, self._scale, self._say = rounds, scale, say
        self._places = {peer.name: Environment(peer) for peer in [OURS, OURS_ON_SQLITE, *peers]}
        self._abilities: dict[str, Any] = {}
        self.outcome = Outcome(head="")

    def keep(self, earlier: Outcome, measures: Sequence[str]) -> None:
        """Add to the outcome what *earlier* says of other peers, and of other than these *measures*."""
        again = {peer.name for peer in self._peers}
        self.outcome.figures += [
            figure for figure in earlier.figures if figure.peer not in again or figure.measure not in measures
        ]
        self.outcome.versions |= earlier.versions

    def provide(self) -> None:
        """Install who is not installed; leave out who cannot be."""
        for peer in [OURS, OURS_ON_SQLITE, *self._peers]:
            self._say(f"providing {peer.name}")
            try:
                place = self._places[peer.name]
                place.provide()
                with measures.site(place, LEAST) as here:
                    self._abilities[peer.name] = here.ask("workers")
                    self.outcome.versions[peer.name] = here.ask("versions")
            except Missing as error:
                self._leave_out(peer, "all", error)
        self._peers = [peer for peer in self._peers if peer.name in self.outcome.versions]

    def _leave_out(self, peer: Peer, measure: str, error: Missing) -> None:
        self._say(f"[red]{peer.name}, {measure}: {error}")
        self.outcome.missing[f"{peer.name}, {measure}"] = str(error)

    def run(self, wanted: Sequence[str] | None) -> Iterator[Outcome]:
        """Measure *wanted* (all, if None) of everybody; give what there is after each measure."""
        for measure in wanted or MEASURES:
            for peer in self._peers:
                self._measure(peer, measure)
            yield self.outcome

    def _measure(self, peer: Peer, measure: str) -> None:
        """Take all rounds of the setting that is best in the first one, ours after each."""
        tried = [figure for figure in self._settings(peer, measure) if self._theirs(peer, figure)]
        if not tried:
            return
        best = _best(tried)
        done = self._ours(peer, best)
        for _ in range(self._rounds - 1):
            done = done and self._theirs(peer, best) and self._ours(peer, best)
        if done:
            self.outcome.figures.append(best)

    def _theirs(self, peer: Peer, figure: Figure) -> bool:
        """Measure the peer once; say whether that could be done."""
        return self._add(peer, figure, figure.setting, figure.values)

    def _ours(self, peer: Peer, figure: Figure) -> bool:
        """Measure ourselves once; say whether that could be done."""
        return self._add(_beside(peer), figure, None, figure.ours)

    def _add(self, who: Peer, figure: Figure, setting: str | None, values: list[list[float]]) -> bool:
        try:
            value = self._once(who, figure.measure, setting)
        except Missing as error:
            self._leave_out(who, figure.measure, error)
            return False
        values.append(value)
        self._say(f"{figure.measure:12} {who.name:20} {_shown(value):>20}  {setting or ''}")
        return True

    def _settings(self, peer: Peer, measure: str) -> Iterator[Figure]:
        """Give an empty figure for each of the peer's ways to do what is measured."""
        abilities = self._abilities[peer.name]
        if measure in SHAPES and "shape" not in abilities["verbs"]:
            return
        if measure in TASKS:
            for how in _ways(abilities, measure):
                yield Figure(peer.name, measure, how["setting"])
        elif measure == "bytes":
            if peer.store == "redis":
                yield Figure(peer.name, measure, "")
        elif measure == "send" or measure in abilities["verbs"]:
            yield Figure(peer.name, measure, "")

    def _once(self, peer: Peer, measure: str, setting: str | None) -> list[float]:
        place, count = self._places[peer.name], self._count(peer, measure)
        if measure == "bytes":
            return [measures.bytes_per_task(place, count)]
        if measure not in TASKS:
            return [measures.enqueue(place, measure, count)]
        ways = _ways(self._abilities[peer.name], measure)
        how = next(way for way in ways if setting in (None, way["setting"]))
        if measure == "latency":
            seconds = sorted(measures.latencies(place, how, count))
            return [_quantile(seconds, 0.5) * 1000, _quantile(seconds, 0.99) * 1000]
        if measure in SHAPES:
            return [measures.drain_shape(place, how, measure, count)]
        return [measures.drain(place, how, TASKS[measure], count)]

    def _count(self, peer: Peer, measure: str) -> int:
        if measure == "latency":
            return COUNTS[measure]
        return max(LEAST, int(COUNTS[measure] * peer.scale * self._scale))


def _shown(value: Sequence[float]) -> str:
    return " / ".join(f"{part:,.6g}" for part in value)


def _best(figures: Sequence[Figure]) -> Figure:
    choose = min if figures[0].measure in LESS_IS_MORE else max
    return choose(figures, key=Figure.median)


def _beside(peer: Peer) -> Peer:
    """Return who of us is measured beside *peer*: the one on the same kind of store."""
    return OURS_ON_SQLITE if peer.store == "sqlite" else OURS


def _ways(abilities: Any, measure: str) -> list[dict[str, Any]]:
    """Return the ways to start workers that are meant for *measure*."""
    wanted = "ping" if measure == "latency" else TASKS[measure]
    return [how for how in abilities["workers"] if wanted in how["for"]]


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
