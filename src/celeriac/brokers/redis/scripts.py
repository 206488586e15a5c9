"""The Lua scripts: read from `lua/`, their shared parts put in. Knows no server."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import msgspec

NAMES: Final = (
    "activity",
    "advance",
    "bell",
    "cancel",
    "count",
    "command",
    "dead",
    "enlist",
    "exchange",
    "explain",
    "extend",
    "find",
    "forget",
    "heartbeat",
    "note",
    "pause",
    "pending",
    "purge",
    "queues",
    "read_log",
    "replace",
    "report",
    "requeue",
    "reschedule",
    "resume",
    "retire",
    "rights",
    "ring",
    "schedules",
    "send",
    "send_graph",
    "send_unique",
    "tend",
    "totals",
    "watch",
    "workers",
    "write_log",
)

_INCLUDE: Final = re.compile(r"^-- include: (\w+)\n", re.MULTILINE)
_COMMENT: Final = re.compile(r"^\s*--.*\n", re.MULTILINE)


class Script(msgspec.Struct, frozen=True):
    """One verb's source, and the SHA-1 by which a server knows it."""

    name: str
    source: bytes
    sha: str


@cache
def script(name: str) -> Script:
    """Return the script of a verb, each `-- include: part` line replaced by `lua/include/part.lua`.

    What follows the names of keys is a function of its own, and within it what follows all parts. Where Lua
    makes a function it looks for each name that this uses among all those of the function around it that any
    one uses, the oldest last: it would look longest for the names of keys, which nearly all use, some 200
    times in each trip.
    """
    folder = files(__package__) / "lua"
    parts = _INCLUDE.split(_text(folder, name))
    included = [_text(folder / "include", part) for part in parts[1::2]]
    pieces = [text for pair in zip(parts[0::2], [*included, ""], strict=True) for text in pair]
    cuts = {2, len(pieces) - 2} if "keys" in parts[1:2] else set()
    source = "".join(
        f"\nreturn (function()\n{piece}" if at in cuts else piece for at, piece in enumerate(pieces)
    )
    code = _COMMENT.sub("", source + "\nend)()" * len(cuts)).encode()
    return Script(name, code, hashlib.sha1(code, usedforsecurity=False).hexdigest())


def _text(folder: Traversable, name: str) -> str:
    return (folder / f"{name}.lua").read_text(encoding="utf-8")
