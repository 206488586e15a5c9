"""Celeriac beside the tools that people would otherwise take, on one machine: `make bench-peers`."""
