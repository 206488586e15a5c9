"""The floor of sending and claiming: a queue on each store in the fewest writes that are as durable as ours.

Each send of a batch is one transaction (SQLite) or one pipelined round trip (Redis); each task has a record
with an id and a name, and a place in a line. A claim marks the record's owner before the task may start.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import hiredis

from benchmarks.stores import Store

NAME: Final = "benchmarks.work.noop"
# Those of our own store, so that the same pages are written as seldom; the URL's option comes on top.
_SETTINGS: Final = (
    "page_size = 2048",
    "journal_mode = wal",
    "wal_autocheckpoint = 8000",
    "cache_size = -16384",
    "temp_store = memory",
)
_TABLE: Final = """
create table if not exists tasks (
    seq integer primary key, id text not null unique, name text not null, created real not null,
    payload blob not null, options blob not null, state integer not null, queue text not null,
    priority integer not null, position integer not null, worker text not null, started real, finished real,
    result blob not null
) strict;
create index if not exists tasks_ready on tasks (queue, priority desc, position) where state = 2;
create index if not exists tasks_running on tasks (worker) where state = 3;
create index if not exists tasks_finished on tasks (finished) where state >= 4;
"""
_SEND: Final = (
    "insert into tasks"
    " (id, name, created, payload, options, state, queue, priority, position, worker, result)"
    " values (?, ?, ?, ?, x'', 2, 'default', 0, ?, '', x'')"
)
_CLAIM: Final = (
    "update tasks set state = 3, worker = 'floor', started = 0.0 where seq = (select seq from tasks"
    " where state = 2 and queue = 'default' order by priority desc, position limit 1)"
    " returning id, name, payload"
)


class Queue(ABC):
    """One process's hold of the queue on a store."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = iter(range(os.getpid() * 10_000_000, 1 << 62))

    def ids(self, count: int) -> list[tuple[str, int]]:
        """Return new ids, with their places in the line."""
        return [(f"{next(self._numbers):028x}", next(self._numbers)) for _ in range(count)]

    @abstractmethod
    def send(self, count: int, payload: bytes = b"") -> None:
        """Enqueue so many tasks in one step."""

    @abstractmethod
    def listen(self) -> None:
        """Get ready to be woken."""

    @abstractmethod
    def claim(self) -> None:
        """Wait for the next task and claim it."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""


class SqliteQueue(Queue):
    """One row a task, in a file beside ours; where *rings* is set, a datagram wakes whoever waits."""

    def __init__(self, url: str) -> None:
        super().__init__()
        path, _, options = url.removeprefix("sqlite:///").partition("?")
        self.path = Path(path).with_name("floor.db")
        self._bell = str(self.path.with_name("bell"))
        self._cursor = sqlite3.connect(self.path, isolation_level=None).cursor()
        for setting in (*_SETTINGS, options):
            self._cursor.execute(f"pragma {setting}").fetchall()
        self._cursor.executescript(_TABLE)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.rings = False

    def send(self, count: int, payload: bytes = b"") -> None:
        rows = [(task_id, NAME, 0.0, payload, place) for task_id, place in self.ids(count)]
        self._cursor.execute("begin immediate")
        self._cursor.executemany(_SEND, rows)
        self._cursor.execute("commit")
        if self.rings:
            self._socket.sendto(b"w", self._bell)

    def listen(self) -> None:
        self._socket.bind(self._bell)

    def claim(self) -> None:
        self._socket.recv(16)
        self._cursor.execute("begin immediate")
        self._cursor.execute(_CLAIM).fetchall()
        self._cursor.execute("commit")

    def close(self) -> None:
        self._cursor.connection.close()
        self._socket.close()


class RedisQueue(Queue):
    """One hash a task and one list, over a bare socket."""

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()

    def _ask(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        self._socket.sendall(b"".join(map(hiredis.pack_command, commands)))
        replies: list[Any] = []
        while len(replies) < len(commands):
            reply = self._reader.gets()
            if reply is False:
                self._reader.feed(self._socket.recv(65_536))
            else:
                replies.append(reply)
        return replies

    def send(self, count: int, payload: bytes = b"") -> None:
        ids = [task_id for task_id, _ in self.ids(count)]
        field = ("p", payload) if payload else ()
        commands: list[tuple[Any, ...]] = [
            ("HSET", f"floor:t:{task_id}", "n", NAME, "c", 1_764_000_000.123, *field) for task_id in ids
        ]
        self._ask([*commands, ("RPUSH", "floor:q", *ids)])

    def listen(self) -> None:
        """Nothing to do: the line itself wakes."""

    def claim(self) -> None:
        [task_id] = self._ask([("BLMOVE", "floor:q", "floor:running", "LEFT", "RIGHT", 0)])
        key = b"floor:t:" + task_id
        self._ask([("HSET", key, "s", 3, "w", "floor"), ("HGETALL", key)])

    def close(self) -> None:
        self._socket.close()


def queue(store: Store, url: str) -> Queue:
    """Return the floor's queue on the store at *url*."""
    return RedisQueue(url) if store.has_server else SqliteQueue(url)
