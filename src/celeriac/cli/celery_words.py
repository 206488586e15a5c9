"""The words of Celery's command line that ask or do what one of ours does: `inspect`, `control`, `report`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

Translation = Callable[[list[str], list[str]], list[str]]  # workers, further arguments -> our words


def _asks(*words: str) -> Translation:
    return lambda _workers, _rest: list(words)


def _revoke(*options: str, skip: int = 0) -> Translation:
    return lambda _workers, rest: ["revoke", *rest[skip:], *options]


_INSPECT: Final[dict[str, Translation]] = {
    "active": lambda workers, _: ["workers", *workers[:1], "--tasks"],
    "reserved": lambda workers, _: ["workers", *workers[:1], "--tasks"],  # nothing is held that has not begun
    "stats": lambda workers, _: ["workers", *workers[:1]],
    "ping": _asks("status", "--check"),
    "scheduled": _asks("status"),
    "active_queues": _asks("status"),
    "revoked": _asks("activity"),
    "conf": _asks("config"),
    "report": _asks("config"),
    "query_task": lambda _workers, rest: ["result", *rest[:1]],
}
_CONTROL: Final[dict[str, Translation]] = {
    "shutdown": lambda workers, _: ["stop", *(workers or ["*"])],
    "revoke": _revoke(),
    "terminate": _revoke("--terminate", skip=1),  # the signal comes first
}
_GLOBAL: Final = frozenset({"-A", "--app", "-b", "--broker", "--namespace"})
_WITH_VALUE: Final = frozenset({"-d", "--destination", "-t", "--timeout"})


def translated(words: Sequence[str]) -> list[str] | None:
    """Return our words for Celery's *words*, which begin with the command; None where there are none."""
    command, *rest = words
    if command == "report":
        return ["config", *rest]
    table = {"inspect": _INSPECT, "control": _CONTROL}.get(command, {})
    workers, others, kept, json = _sorted(rest)
    if not others or others[0] not in table:
        return None
    return [*table[others[0]](workers, others[1:]), *kept, *(["--json"] if json else [])]


def _sorted(words: Sequence[str]) -> tuple[list[str], list[str], list[str], bool]:
    """Sort what stands behind `inspect` or `control`: workers, other words, what stays, whether as JSON."""
    workers: list[str] = []
    kept: list[str] = []
    others: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if name in _WITH_VALUE:
            value = value if equals else (left.pop(0) if left else "")
            workers += [each for each in value.split(",") if each] if name in ("-d", "--destination") else []
        elif name in _GLOBAL:
            kept += [word] if equals else [word, *left[:1]]
            left = left if equals else left[1:]
        elif word not in ("-j", "--json"):
            others.append(word)
    return workers, others, kept, any(word in ("-j", "--json") for word in words)
