"""The store in one SQLite file: no server, safe across threads, processes and forks."""

from celeriac.brokers.sqlite.broker import SqliteBroker

__all__ = ["SqliteBroker"]
