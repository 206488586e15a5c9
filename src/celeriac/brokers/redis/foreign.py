"""Which of our keys hold what is not ours: asked only once the server has complained. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celeriac.brokers.redis.connection import Client
from celeriac.brokers.redis.keys import Keys
from celeriac.errors import OperationalError


def foreign_keys(client: Client, keys: Keys) -> list[str]:
    """Return those keys of the namespace whose type is not the one that it must be, with both types.

    Records are not among them: a script that meets a foreign one goes on without it.
    """
    try:
        names = list(dict.fromkeys(_candidates(client, keys)))
        types = client.ask_all([("TYPE", name) for name in names])
    except OperationalError:  # the first complaint is the one to tell
        return []
    return [
        f"{name} is a {kind.decode()}, not a {keys.kind(name)}"
        for name, kind in zip(names, types, strict=True)
        if isinstance(kind, bytes) and kind not in (b"none", str(keys.kind(name)).encode())
    ]


def _candidates(client: Client, keys: Keys) -> Iterator[str]:
    """Name every key that can be derived from what is readable."""
    commands = [
        ("HKEYS", keys.counts),
        ("ZRANGE", keys.workers, 0, -1),
        ("SMEMBERS", keys.parking),
    ]
    counts, workers, parked = (_texts(reply) for reply in client.ask_all(commands))
    yield keys.schema
    yield from keys.shared
    for queue in {"default", *parked, *(field.partition(":")[2] for field in counts)}:
        yield keys.hungry(queue)
        yield keys.unknown(queue)
        yield from (keys.line(queue, priority) for priority in range(10))
    for worker in workers:
        yield keys.worker(worker)
        yield keys.running(worker)
        yield keys.stops(worker)
        yield keys.names(worker)
        yield keys.bell(worker)
    unknown = client.ask_all([("SMEMBERS", keys.unknown(queue)) for queue in parked])
    for queue, names in zip(parked, map(_texts, unknown), strict=True):
        yield from (keys.parked(queue, name) for name in names)


def _texts(reply: Any) -> list[str]:
    return [item.decode() for item in reply] if isinstance(reply, list) else []
