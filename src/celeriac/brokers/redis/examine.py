"""What can be wrong with a server before any task is. Asked first, judged purely, nothing changed."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from redis.exceptions import RedisError

from celeriac.brokers.redis.connection import Client, Link
from celeriac.brokers.redis.faults import code_of, fault_of
from celeriac.brokers.redis.keys import SCHEMA_VERSION, Keys
from celeriac.brokers.redis.url import Address
from celeriac.clock import SystemClock
from celeriac.errors import AccessDenied, OperationalError
from celeriac.findings import Examination, Finding, Severity, ok, size

MINIMUM_VERSION: Final = (6, 2)
PINGS: Final = 20
PING_FOR: Final = 0.5  # seconds
SLOW: Final = 0.005  # seconds: a trip takes one, and a worker makes some hundred of them a second
VERY_SLOW: Final = 0.1
NEARLY_FULL: Final = 0.85
FULL: Final = 0.97
CLOCKS_DIFFER: Final = 5.0
CLOCKS_BREAK_LEASES: Final = 1.0  # where the difference is not corrected

Rights = tuple[str, ...] | None


class Facts(msgspec.Struct, frozen=True):
    """What the server told.

    Attributes:
        info: of INFO; empty where that is not permitted. schema: the layout's version; None for no layout.
        ahead: seconds by which its clock is before ours. trips: seconds that some pings took.
        missing: what the user may not run; None where the server cannot say.
        corrected: whether the difference of the clocks is.
    """

    info: dict[str, str]
    schema: bytes | None = None
    ahead: float = 0.0
    trips: tuple[float, ...] = (0.0,)
    missing: Rights = ()
    corrected: bool = True


def examine(
    client: Client, keys: Keys, address: Address, *, corrected: bool, ask_rights: Callable[[], Rights]
) -> Examination:
    """Examine the server; see `Broker.examine`."""
    try:
        facts = client.run(lambda link, _: _gathered(link, keys, client.where, corrected))
        facts = msgspec.structs.replace(facts, missing=_rights(ask_rights))
    except AccessDenied as error:
        return Examination((_denied(error),), usable=False)
    except OperationalError as error:
        text = f"The store cannot be used: {error}."
        remedy = "Start the server, or correct the URL."
        return Examination((Finding("store", Severity.ERROR, text, remedy, ("config", "broker_url")),), False)
    found = tuple(judged(facts, keys, address))
    return Examination(found, usable=facts.schema == SCHEMA_VERSION.encode())


def _denied(error: OperationalError) -> Finding:
    remedy = "Put the right user into the URL, or give him the rules of the how-to on Redis."
    return Finding("store", Severity.ERROR, f"The store denies access: {error}.", remedy)


def _rights(ask: Callable[[], Rights]) -> Rights:
    try:
        return ask()
    except AccessDenied:  # scripts are the least that is needed
        return ("evalsha", "script|load")


def _gathered(link: Link, keys: Keys, where: str, corrected: bool) -> Facts:
    before = SystemClock.now()
    [time] = link.ask_all([("TIME",)])
    after = SystemClock.now()
    info, schema = link.ask_all([("INFO",), ("GET", keys.schema)])
    if isinstance(schema, RedisError) and code_of(schema) not in ("NOPERM", "WRONGTYPE"):
        raise fault_of(schema, where).error
    return Facts(
        info=_pairs(info) if isinstance(info, bytes) else {},
        schema=repr(schema).encode() if isinstance(schema, RedisError) else schema,
        ahead=0.0 if isinstance(time, RedisError) else _seconds(time) - (before + after) / 2,
        trips=tuple(_trips(link)),
        corrected=corrected,
    )


def _pairs(info: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, _, value in lines if value}


def _seconds(time: Any) -> float:
    return int(time[0]) + int(time[1]) / 1e6


def _trips(link: Link) -> Iterator[float]:
    begun = SystemClock.monotonic()
    for _ in range(PINGS):
        before = SystemClock.monotonic()
        link.ask_all([("PING",)])
        after = SystemClock.monotonic()
        yield after - before
        if after - begun > PING_FOR:
            return


# --- what it means ----------------------------------------------------------------------------------


def judged(facts: Facts, keys: Keys, address: Address) -> Iterator[Finding]:
    """Say what *facts* mean."""
    yield _server(facts)
    yield from _role(facts)
    yield _layout(facts, keys)
    yield _acl(facts, address)
    if facts.info:
        yield _eviction(facts.info, address)
        yield _memory(facts.info, address)
        yield _persistence(facts.info, address)
    yield _latency(facts)
    yield _clock(facts)


def _server(facts: Facts) -> Finding:
    info = facts.info
    if not info:
        text = "The server does not tell its version, memory and persistence: INFO is not permitted."
        return Finding("redis.version", Severity.ERROR, text, "Permit it: every worker asks for it at start.")
    version = info.get("redis_version", "0")
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {version}"
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < MINIMUM_VERSION:
        remedy = "Install Redis 6.2 or newer, or Valkey."
        return Finding("redis.version", Severity.ERROR, f"The server is {name}, which is too old.", remedy)
    return ok("redis.version", f"The server is {name}.")


def _role(facts: Facts) -> Iterator[Finding]:
    if facts.info.get("role") == "slave":
        text = "The server is a replica, which takes no writes."
        yield Finding(
            "redis.role", Severity.ERROR, text, "Name its primary in the URL, or use redis+sentinel://."
        )
    if facts.info.get("cluster_enabled") == "1":
        text = "The server is part of a Redis Cluster, which is not supported."
        yield Finding("redis.role", Severity.ERROR, text, "Use a server of its own.")


def _layout(facts: Facts, keys: Keys) -> Finding:
    namespace = keys.root.strip("{}:")
    if facts.schema is None:
        text = f"Nothing was ever sent in the namespace {namespace}."
        remedy = "If you expected tasks here, name the application with -A, or its namespace."
        return Finding("redis.schema", Severity.NOTE, text, remedy, ("config", "namespace"))
    if facts.schema != SCHEMA_VERSION.encode():
        said = facts.schema.decode(errors="replace")[:80]
        text = (
            f"The layout of {keys.schema} is {said!r}, and this release of Celeriac knows {SCHEMA_VERSION!r}."
        )
        remedy = "Use the release that wrote it, or another namespace."
        return Finding("redis.schema", Severity.ERROR, text, remedy)
    return ok("redis.schema", f"The layout of the namespace {namespace} is that of this release.")


def _acl(facts: Facts, address: Address) -> Finding:
    if facts.missing is None:
        text = "A server before Redis 7 does not say which commands the user may run."
        return Finding("redis.acl", Severity.NOTE, text, "Compare its rules with the how-to on Redis.")
    if not facts.missing:
        return ok("redis.acl", "The user may run all commands that Celeriac needs.")
    user = address.login.get("username", "default")
    text = f"The user {user} may not run {', '.join(facts.missing)} on this namespace."
    rules = [f"+{name}" for name in facts.missing]
    return Finding(
        "redis.acl",
        Severity.ERROR,
        text,
        "Permit them; the how-to on Redis has the whole rule, with the keys and channels.",
        command=_redis_cli(address, "ACL", "SETUSER", user, *rules),
    )


def _eviction(info: dict[str, str], address: Address) -> Finding:
    policy, code = info.get("maxmemory_policy", "noeviction"), "redis.eviction"
    if policy == "noeviction":
        return ok(code, "Nothing is evicted when the memory is full (maxmemory-policy is noeviction).")
    remedy, command = (
        "Set it to noeviction.",
        _redis_cli(address, "CONFIG", "SET", "maxmemory-policy", "noeviction"),
    )
    if policy.startswith("volatile"):
        text = f"maxmemory-policy is {policy}: results may be gone before their time when memory is full."
        return Finding(code, Severity.NOTE, text, remedy, command=command)
    text = f"maxmemory-policy is {policy}: tasks are deleted when the memory is full."
    limited = info.get("maxmemory", "0") != "0"
    if not limited:
        text = f"maxmemory-policy is {policy}: tasks would be deleted if maxmemory were set and reached."
    return Finding(code, Severity.ERROR if limited else Severity.WARNING, text, remedy, command=command)


def _memory(info: dict[str, str], address: Address) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    whole, code = int(info.get("total_system_memory", 0)), "redis.memory"
    limit, of = (most, "maxmemory") if most else (whole, "the machine's memory")
    if not limit or used < NEARLY_FULL * limit:
        return ok(code, f"{size(used)} of memory are used{f' of {size(limit)} ({of})' if limit else ''}.")
    severity = Severity.ERROR if used >= FULL * limit else Severity.WARNING
    text = f"{size(used)} of memory are used of {size(limit)} ({of}); at the limit no task is accepted."
    remedy = "Start more workers, keep results for a shorter time (result_expires), or give it more memory."
    return Finding(code, severity, text, remedy, command=_redis_cli(address, "INFO", "memory"))


def _persistence(info: dict[str, str], address: Address) -> Finding:
    code = "redis.persistence"
    on = info.get("aof_enabled") == "1"
    status = "aof_last_write_status" if on else "rdb_last_bgsave_status"
    if info.get(status, "ok") != "ok":
        text = f"The server's last attempt to write to its disk failed ({status})."
        remedy = "Look into its log, and free space on its disk."
        return Finding(code, Severity.ERROR, text, remedy, command=_redis_cli(address, "INFO", "persistence"))
    if on:
        return ok(code, "What was accepted is written to an append-only file.")
    unsaved = int(info.get("rdb_changes_since_last_save", 0))
    text = (
        f"There is no append-only file: a crash of the server loses all since its last snapshot, now "
        f"{unsaved:,} {'change' if unsaved == 1 else 'changes'}."
    )
    return Finding(
        code,
        Severity.WARNING,
        text,
        "Switch it on here and in the server's configuration.",
        command=_redis_cli(address, "CONFIG", "SET", "appendonly", "yes"),
    )


def _latency(facts: Facts) -> Finding:
    usual, worst = statistics.median(facts.trips), max(facts.trips)
    text = f"A trip to the server takes {usual * 1000:.2f} ms, at most {worst * 1000:.2f} ms."
    if usual < SLOW and worst < VERY_SLOW:
        return ok("redis.latency", text)
    severity = Severity.WARNING if usual >= VERY_SLOW else Severity.NOTE
    remedy = "Run workers near the server, and look for slow commands of others (SLOWLOG GET)."
    return Finding("redis.latency", severity, text, remedy)


def _clock(facts: Facts) -> Finding:
    by, limit = abs(facts.ahead), CLOCKS_DIFFER if facts.corrected else CLOCKS_BREAK_LEASES
    side = "ahead of" if facts.ahead > 0 else "behind"
    if by < limit:
        return ok("clock", f"The server's clock and this machine's agree within {by:.1f} s.")
    means = (
        "leases are corrected, but an eta or a schedule is not"
        if facts.corrected
        else "with clock=caller that breaks leases"
    )
    return Finding(
        "clock",
        Severity.WARNING if facts.corrected else Severity.ERROR,
        f"The server's clock is {by:,.1f} s {side} this machine's: {means}.",
        "Set both by NTP.",
        command="timedatectl status",
    )


def _redis_cli(address: Address, *words: str) -> str:
    """Return the command line that says *words* to this server; a password is not among them."""
    where: list[str] = []
    if address.path:
        where = ["-s", address.path]
    elif not address.service:
        host, port = address.hosts[0]
        where = ["-h", host, "-p", str(port)]
    return shlex.join(["redis-cli", *(["--tls"] if address.family == "tls" else []), *where, *words])
