"""How commands end; the table is in the docstring of `celeriac.cli`."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    STORE = 3
    UNKNOWN = 4
    APPLICATION = 5
    REVOKED = 6
    STATE = 7
    UNSERVED = 8
    BUG = 70
    TIMEOUT = 124
    INTERRUPTED = 130
    PIPE = 141
