"""One run: every measure of every peer, each beside the same measure of Celeriac a moment later."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from benchmarks.peers import measures
from benchmarks.peers.catalogue import OURS, Peer
from benchmarks.peers.environments import Environment, Missing

MEASURES: Final = ("drain def", "drain async", "send", "callers", "bulk", "latency", "naps", "bytes")
TASKS: Final = {"drain def": "noop", "drain async": "anoop", "naps": "nap", "latency": "noop"}
COUNTS: Final = {
    "drain def": 60_000,
    "drain async": 60_000,
    "send": 20_000,
    "callers": 20_000,
    "bulk": 60_000,
    "latency": 300,
    "naps": 10_000,
    "bytes": 10_000,
}
LEAST: Final = 1_000


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
        """Return how many times the peer's figure ours is: the median of the pairs."""
        return statistics.median(
            our[part] / value[part] for our, value in zip(self.ours, self.values, strict=True)
        )


class Outcome(msgspec.Struct):
    """All figures of a run, and what else a reader has to know."""

    machine: str
    server: str
    date: str
    rounds: int
    figures: list[Figure] = []
    versions: dict[str, dict[str, str]] = {}
    missing: dict[str, str] = {}

    def of(self, peer: str, measure: str) -> list[Figure]:
        """Return the figures of one peer and measure, one for each setting."""
        return [figure for figure in self.figures if (figure.peer, figure.measure) == (peer, measure)]

    def best(self, peer: str, measure: str) -> Figure | None:
        """Return the figure of the peer's fastest setting; None where it was not measured."""
        return max(self.of(peer, measure), key=lambda figure: figure.median(), default=None)


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
        self._places = {peer.name: Environment(peer) for peer in [OURS, *peers]}
        self._abilities: dict[str, Any] = {}
        self.missing: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}

    def provide(self) -> None:
        """Install who is not installed; leave out who cannot be."""
        for peer in [OURS, *self._peers]:
            self._say(f"providing {peer.name}")
            try:
                place = self._places[peer.name]
                place.provide()
                with measures.site(place, LEAST) as here:
                    self._abilities[peer.name] = here.ask("workers")
                    self.versions[peer.name] = here.ask("versions")
            except Missing as error:
                self._leave_out(peer, "all", error)
        self._peers = [peer for peer in self._peers if peer.name in self.versions]

    def _leave_out(self, peer: Peer, measure: str, error: Missing) -> None:
        self._say(f"[red]{peer.name}, {measure}: {error}")
        self.missing[f"{peer.name}, {measure}"] = str(error)

    def run(self, wanted: Sequence[str] | None) -> list[Figure]:
        """Measure *wanted* (all, if None) of everybody."""
        figures = []
        for measure in wanted or MEASURES:
            for peer in self._peers:
                for figure in self._settings(peer, measure):
                    if self._measure(peer, figure):
                        figures.append(figure)
        return figures

    def _settings(self, peer: Peer, measure: str) -> Iterator[Figure]:
        """Give an empty figure for each of the peer's ways to do what is measured."""
        abilities = self._abilities[peer.name]
        if measure in TASKS:
            for how in _ways(abilities, measure):
                yield Figure(peer.name, measure, how["setting"])
        elif measure not in ("bulk", "callers") or measure in abilities["verbs"]:
            yield Figure(peer.name, measure, "")

    def _measure(self, peer: Peer, figure: Figure) -> bool:
        """Take all rounds of one figure, ours after each; say whether there are any."""
        try:
            for _ in range(self._rounds):
                value = self._once(peer, figure.measure, figure.setting)
                ours = self._once(OURS, figure.measure, None)
                figure.values.append(value)
                figure.ours.append(ours)
        except Missing as error:
            self._leave_out(peer, figure.measure, error)
            return False
        values = " / ".join(f"{figure.median(part):,.6g}" for part in range(len(figure.values[0])))
        self._say(
            f"{figure.measure:12} {peer.name:24} {values:>18}  ours x{figure.ratio():.3g}  {figure.setting}"
        )
        return True

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
        return [measures.drain(place, how, TASKS[measure], count)]

    def _count(self, peer: Peer, measure: str) -> int:
        if measure == "latency":
            return COUNTS[measure]
        return max(LEAST, int(COUNTS[measure] * peer.scale * self._scale))


def _ways(abilities: Any, measure: str) -> list[dict[str, Any]]:
    """Return the ways to start workers that are meant for *measure*."""
    wanted = "ping" if measure == "latency" else TASKS[measure]
    return [how for how in abilities["workers"] if wanted in how["for"]]


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
