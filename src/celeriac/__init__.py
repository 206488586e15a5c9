"""Celeriac: a distributed task queue for Python."""

__version__ = "0.1.0"
