"""Words of Celery's command line: those that ask or do what one of ours does, and why there are no others."""

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
    "ping": lambda workers, _: ["workers", *workers[:1]],  # 4 when nobody answers: it asks for no more
    "scheduled": _asks("status"),
    "registered": _asks("names"),
    "memdump": _asks("workers"),
    "memsample": _asks("workers"),
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
_LIST: Final[dict[str, Translation]] = {"bindings": _asks("queues")}
_EVENTS: Final = frozenset({"-d", "--dump"})

# What nothing here does -> why, and what answers the question behind it.
_WORKER: Final = ("worker", "--help")
_NO_NEED: Final[dict[tuple[str, str], tuple[str, tuple[str, ...]]]] = {
    ("inspect", "clock"): (
        "tasks are ordered by the store, and clocks that differ are found by doctor",
        ("doctor",),
    ),
    ("inspect", "objgraph"): (
        "the memory of workers is in a column, and a task's place is told by stack",
        ("workers",),
    ),
    ("control", "add_consumer"): ("the queues of a worker are named when it starts", _WORKER),
    ("control", "cancel_consumer"): (
        "a queue is paused for all workers at once; which ones a worker serves is named when it starts",
        ("pause", "--help"),
    ),
    ("control", "autoscale"): ("the bounds are named when a worker starts", _WORKER),
    ("control", "pool_grow"): ("how many processes there are is said when a worker starts", _WORKER),
    ("control", "pool_shrink"): ("how many processes there are is said when a worker starts", _WORKER),
    ("control", "pool_restart"): (
        "a worker is stopped, and whoever watches over it starts it anew",
        ("stop", "--help"),
    ),
    ("control", "rate_limit"): (
        "limits stand in the code of a task; which one it waits for is told by explain",
        ("explain", "--help"),
    ),
    ("control", "time_limit"): ("limits stand in the code of a task", _WORKER),
    ("control", "enable_events"): ("what happens is told without being switched on", ("events",)),
    ("control", "disable_events"): ("what happens is told without being switched on", ("events",)),
    ("control", "heartbeat"): ("when each worker was last seen is in a column", ("workers",)),
    ("control", "election"): ("workers do not talk to each other", ("workers",)),
    ("control", "revoke_by_stamped_headers"): (
        "tasks are revoked by a filter",
        ("tasks", "revoke", "--help"),
    ),
}
_GLOBAL: Final = frozenset({"-A", "--app", "-b", "--broker", "--namespace"})
_WITH_VALUE: Final = frozenset({"-d", "--destination", "-t", "--timeout"})


def translated(words: Sequence[str]) -> list[str] | None:
    """Return our words for Celery's *words*, which begin with the command; None where there are none."""
    command, *rest = words
    if command == "report":
        return ["config", *rest]
    if command == "events":
        left = [word for word in rest if word not in _EVENTS]
        return None if left == rest else [command, "--follow", *left]
    table = {"inspect": _INSPECT, "control": _CONTROL, "list": _LIST}.get(command, {})
    workers, others, kept, json = _sorted(rest)
    if not others or others[0] not in table:
        return None
    return [*table[others[0]](workers, others[1:]), *kept, *(["--json"] if json else [])]


def explained(words: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """Say why there is nothing for Celery's *words*, and which of ours come next; None for other words."""
    command, *rest = words
    _, others, _, _ = _sorted(rest)
    return _NO_NEED.get((command, others[0])) if others else None


def known_words(words: Sequence[str]) -> list[str]:
    """Return what can stand behind `inspect` or `control` where *words* have something else; else nothing."""
    table = {"inspect": _INSPECT, "control": _CONTROL}.get(words[0], {})
    _, others, _, _ = _sorted(words[1:])
    return sorted(table) if others and others[0] not in table else []


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
