"""Who is measured: where each peer comes from, and what it promises at the settings that are measured."""

from __future__ import annotations

from typing import Final

import msgspec


class Peer(msgspec.Struct, frozen=True):
    """One peer at one kind of store.

    Attributes:
        adapter: its module or script in `adapters/`.
        needs: what pip, npm, or gem installs.
        guarantee: what becomes of a running task when its worker is killed, at the measured settings.
        results: what is kept of a finished task.
        runtime: "python", "node" or "ruby". store: "redis" or "sqlite".
        scale: how many tasks are measured, as a share of what the fastest take.
        note: what a reader has to know to compare.
    """

    name: str
    adapter: str
    needs: tuple[str, ...]
    guarantee: str
    results: str = "stored"
    runtime: str = "python"
    store: str = "redis"
    scale: float = 0.1
    note: str = ""


OURS: Final = Peer("Celeriac", "on_celeriac", ("celeriac[redis,fast]",), "at-least-once", scale=1.0)
OURS_ON_SQLITE: Final = msgspec.structs.replace(OURS, name="Celeriac on SQLite", store="sqlite")

PEERS: Final = (
    Peer("Celery", "on_celery", ("celery[redis]", "hiredis"), "at-least-once", scale=0.05),
    Peer("Dramatiq", "on_dramatiq", ("dramatiq[redis]", "hiredis"), "at-least-once", scale=0.15),
    Peer("RQ", "on_rq", ("rq", "hiredis"), "at-most-once", scale=0.05),
    Peer(
        "Huey",
        "on_huey",
        ("huey", "redis", "hiredis"),
        "at-most-once",
        note="no acknowledgement: a killed consumer loses what it runs",
    ),
    Peer("arq", "on_arq", ("arq", "hiredis"), "at-least-once", scale=0.08),
    Peer(
        "Taskiq, list",
        "on_taskiq_list",
        ("taskiq[orjson,uv]", "taskiq-redis", "hiredis"),
        "at-most-once",
        note="the queue is a list that a message leaves when it is read",
    ),
    Peer(
        "Taskiq, stream",
        "on_taskiq_stream",
        ("taskiq[orjson,uv]", "taskiq-redis", "hiredis"),
        "at-least-once",
    ),
    Peer("SAQ", "on_saq", ("saq[redis,hiredis]", "typing_extensions"), "at-least-once"),
    Peer("streaQ", "on_streaq", ("streaq", "uvloop"), "at-least-once", scale=0.08),
    Peer(
        "Repid",
        "on_repid",
        ("repid[redis]", "hiredis", "uvloop", "typing_extensions"),
        "at-least-once",
        results="none",
        scale=0.25,
    ),
    Peer(
        "FastStream",
        "on_faststream",
        ("faststream[redis,cli]", "hiredis", "uvloop"),
        "at-least-once",
        results="none",
        scale=0.2,
        note="a message framework: no states, no retries of its own",
    ),
    Peer(
        "BullMQ",
        "on_bullmq.mjs",
        ("bullmq", "ioredis"),
        "at-least-once",
        runtime="node",
        scale=0.5,
        note="Node; also writes each job's states to an event stream; a dead worker's job runs again after "
        "its 30 s lock, by default once",
    ),
    Peer(
        "Sidekiq 6.4",
        "on_sidekiq.rb",
        ("sidekiq", "hiredis"),
        "at-most-once",
        results="none",
        runtime="ruby",
        scale=0.7,
        note="Ruby threads; Debian's 6.4.1, not the newest, needs apt install ruby-sidekiq ruby-hiredis",
    ),
    Peer("Huey on SQLite", "on_huey_sqlite", ("huey", "cysqlite"), "at-most-once", store="sqlite", scale=0.2),
)
ON_SQLITE: Final = tuple(peer.name for peer in PEERS if peer.store == "sqlite")
