"""How much memory and processor time a process of this host takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Vitals(NamedTuple):
    """What is known of a process: resident bytes, and seconds of processor time; None for unknown."""

    memory: int | None = None
    cpu: float | None = None


def vitals_of(pid: int) -> Vitals:
    """Ask the kernel about a process; only Linux tells here."""
    return Vitals(_memory(pid), _cpu(pid))


def _memory(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _cpu(pid: int) -> float | None:
    """See proc(5): user and system time are fields 14 and 15; the name before them may have blanks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
