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
        scale: how many tasks are measured, as a share of what Celeriac takes.
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


OURS: Final = Peer("Celeriac", "on_celeriac", ("celeriac[redis,fast]",), "at-least-once", scale=5.0)
OURS_ON_SQLITE: Final = msgspec.structs.replace(OURS, name="Celeriac on SQLite", store="sqlite")

PEERS: Final = (
    Peer(
        "Celery",
        "on_celery",
        ("celery[redis]", "hiredis"),
        "at-least-once",
        scale=0.05,
        note="acks_late; what a killed worker held runs again after a visibility timeout, by default 1 h; "
        "each result is also published, and each call subscribes to its result; no coroutines",
    ),
    Peer(
        "Dramatiq",
        "on_dramatiq",
        ("dramatiq[redis]", "hiredis"),
        "at-least-once",
        scale=0.2,
        note="idle workers poll: after 2 ms at most where latency is measured, 1 s by default; no bulk call",
    ),
    Peer(
        "RQ",
        "on_rq",
        ("rq", "hiredis"),
        "at-least-once",
        scale=0.03,
        note="SimpleWorker, advised for very short jobs only; with Retry(max=3), else an abandoned job "
        "is marked as failed; it is found after some 4 minutes; one job at a time for each process",
    ),
    Peer(
        "Huey",
        "on_huey",
        ("huey", "redis", "hiredis"),
        "at-most-once",
        note="no acknowledgement: a killed consumer loses what it runs",
    ),
    Peer(
        "arq",
        "on_arq",
        ("arq", "hiredis"),
        "at-least-once",
        note="coroutines only; polls: each 1 ms where latency is measured, 0.5 s by default",
    ),
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
        note="a killed worker's messages come back after 10 idle minutes, and only with the next new message",
    ),
    Peer(
        "SAQ",
        "on_saq",
        ("saq[redis,hiredis]", "typing_extensions"),
        "at-least-once",
        note="retries=2 (its default of 1 is at-most-once); a sweep a minute returns lost jobs, one each 5 s",
    ),
    Peer("streaQ", "on_streaq", ("streaq", "uvloop"), "at-least-once", scale=0.06),
    Peer(
        "Repid",
        "on_repid",
        ("repid[redis]", "hiredis", "uvloop", "typing_extensions"),
        "at-least-once",
        results="none",
        scale=0.3,
        note="no results, no states; reclaiming is switched on (by default off)",
    ),
    Peer(
        "FastStream",
        "on_faststream",
        ("faststream[redis,cli]", "hiredis", "uvloop"),
        "at-least-once",
        results="none",
        scale=0.15,
        note="a message framework: no states, no retries of its own; a second subscriber reclaims",
    ),
    Peer(
        "BullMQ",
        "on_bullmq.mjs",
        ("bullmq", "ioredis"),
        "at-least-once",
        runtime="node",
        scale=0.8,
        note="Node; def and async def are one; also writes each job's states to an event stream; a dead "
        "worker's job runs again after its 30 s lock, by default once",
    ),
    Peer(
        "Sidekiq 6.4",
        "on_sidekiq.rb",
        ("sidekiq", "hiredis"),
        "at-most-once",
        results="none",
        runtime="ruby",
        scale=0.8,
        note="Ruby threads; Debian's 6.4.1, not the newest, from apt install ruby-sidekiq ruby-hiredis",
    ),
    Peer(
        "Huey on SQLite",
        "on_huey_sqlite",
        ("huey",),
        "at-most-once",
        store="sqlite",
        scale=0.4,
        note="synchronous=OFF (Celeriac's is NORMAL); no acknowledgement; polls each 1 ms",
    ),
)
ON_SQLITE: Final = tuple(peer.name for peer in PEERS if peer.store == "sqlite")
