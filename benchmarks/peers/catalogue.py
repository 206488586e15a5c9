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

PEERS: Final = (
    Peer(
        "Huey",
        "on_huey",
        ("huey", "redis", "hiredis"),
        "at-most-once",
        note="no acknowledgement: a killed consumer loses what it runs",
    ),
)
