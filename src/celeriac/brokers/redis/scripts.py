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
    """Return the script of a verb, each `-- include: part` line replaced by `lua/include/part.lua`."""
    folder = files(__package__) / "lua"
    source = _INCLUDE.sub(lambda found: _text(folder / "include", found[1]), _text(folder, name))
    code = _COMMENT.sub("", source).encode()
    return Script(name, code, hashlib.sha1(code, usedforsecurity=False).hexdigest())


def _text(folder: Traversable, name: str) -> str:
    return (folder / f"{name}.lua").read_text(encoding="utf-8")
