"""The store inside one process: `broker` is the contract in executable form."""

from celeriac.brokers.memory.broker import MemoryBroker

__all__ = ["MemoryBroker"]
