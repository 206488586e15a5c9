"""What an examination has found: how bad it is, one sentence, and what to do about it. Data, and no I/O.

It stands below the stores, since each of them is examined by its own folder; `doctor` puts all together.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import msgspec


class Severity(IntEnum):
    """How bad it is: `NOTE` is worth knowing, `WARNING` may cost something, `ERROR` does so now."""

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """Its name, for people and JSON."""
        return self.name.lower()


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        code: what was looked at, for programs. text: what is the case, one sentence; no password is in it.
        remedy: what to do, one sentence; "" where nothing is to be done.
        attempt: the words of a `celeriac` command that does it, or helps to; the options that name the
            application and the store come before them.
        command: the whole line instead, where it is another program's.
    """

    code: str
    severity: Severity
    text: str
    remedy: str = ""
    attempt: tuple[str, ...] = ()
    command: str = ""


class Examination(msgspec.Struct, frozen=True):
    """What was found at a store.

    Attributes:
        usable: whether it can be asked for its tasks and workers without creating or changing anything.
    """

    findings: tuple[Finding, ...]
    usable: bool = True


def ok(code: str, text: str) -> Finding:
    """Say that all is well."""
    return Finding(code, Severity.OK, text)


def worst(findings: Iterable[Finding]) -> Severity:
    """Return the worst that was found."""
    return max((finding.severity for finding in findings), default=Severity.OK)


def size(count: float) -> str:
    """Write a number of bytes: `512 B`, `3.1 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"
