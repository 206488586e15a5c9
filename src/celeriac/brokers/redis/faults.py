"""What went wrong, in Celeriac's words: errors of the client library and of the server into ours."""

from __future__ import annotations

import re
from typing import Final

from redis import exceptions

from celeriac.errors import (
    AccessDenied,
    BrokerUnavailable,
    OperationalError,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
)


class Fault(Exception):
    """What to raise, and whether trying again may help."""

    def __init__(self, error: OperationalError, *, transient: bool, reconnect: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.transient = transient
        self.reconnect = reconnect


# Redis before 7 wraps what a script's command answered: "ERR Error running script (…): …: -OOM command …"
_WRAPPED: Final = re.compile(r"@user_script: ?\d+: -?([A-Z]{3,}) ")
# What a script's command is told that the user may not run; the words differ between versions.
_FORBIDDEN: Final = re.compile(r"ACL failure in script|user executing the script can't (run|access)")
_CODES: Final = {
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.NoScriptError: "NOSCRIPT",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.MovedError: "MOVED",
    exceptions.AskError: "ASK",
    exceptions.ClusterCrossSlotError: "CROSSSLOT",
    exceptions.TryAgainError: "TRYAGAIN",
    exceptions.AuthenticationWrongNumberOfArgsError: "WRONGPASS",
}


def code_of(error: exceptions.RedisError) -> str:
    """Return the first word of what the server answered, such as `WRONGTYPE`."""
    text = str(error)
    if wrapped := _WRAPPED.search(text):
        return wrapped[1]
    if _FORBIDDEN.search(text):
        return "NOPERM"
    known = next((code for kind, code in _CODES.items() if isinstance(error, kind)), None)
    return known or text.partition(" ")[0]


def fault_of(error: exceptions.RedisError, where: str) -> Fault:
    """Say what *error*, met at *where*, means."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return _denied(
            f"{where} refuses the user or password ({error}); put the right ones into the URL: "
            "redis://user:password@host"
        )
    if isinstance(error, exceptions.ResponseError) and not isinstance(error, exceptions.ClusterError):
        return _fault_of_reply(error, where)
    if isinstance(error, exceptions.ClusterError):
        return Fault(BrokerUnavailable(f"{where} cannot serve: {error}"), transient=True, reconnect=True)
    return Fault(BrokerUnavailable(f"{where} cannot be reached: {error}"), transient=True, reconnect=True)


def _fault_of_reply(error: exceptions.ResponseError, where: str) -> Fault:
    match code_of(error):
        case "NOAUTH" | "WRONGPASS":
            return _denied(
                f"{where} wants a password ({error}); put it into the URL: redis://user:password@host"
            )
        case "NOPERM":
            return _denied(
                f"{where} does not permit what Celeriac must do ({error}); give its user the rules of "
                "the how-to on Redis"
            )
        case "OOM":
            full = f"{where} has no memory left (maxmemory); let workers drain it, or raise maxmemory"
            return Fault(StoreFull(full), transient=False)
        case "READONLY":
            return _read_only(f"{where} is a read-only replica", reconnect=True)
        case "NOREPLICAS":
            return _read_only(f"{where} lacks the replicas that it needs to accept writes")
        case "MISCONF":
            return Fault(StoreReadOnly(f"{where} refuses writes: {error}"), transient=False)
        case "WRONGTYPE":
            return Fault(StoreCorrupt(f"a key of {where} holds what Celeriac did not write"), transient=False)
        case "LOADING" | "BUSY" | "NOSCRIPT" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN":
            return Fault(BrokerUnavailable(f"{where} is busy: {error}"), transient=True)
        case "MOVED" | "ASK" | "CROSSSLOT":
            split = f"{where} is part of a Redis Cluster, which is not supported: {error}"
            return Fault(OperationalError(split), transient=False)
        case _:
            return Fault(OperationalError(f"{where} answered: {error}"), transient=False)


def _denied(reason: str) -> Fault:
    return Fault(AccessDenied(reason), transient=False)


def _read_only(reason: str, *, reconnect: bool = False) -> Fault:
    """Writes may be accepted again soon: a failover takes a moment."""
    return Fault(StoreReadOnly(reason), transient=True, reconnect=reconnect)
