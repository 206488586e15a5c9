"""Celeriac beside the tools that people would otherwise take, on one machine in one run; `make bench-peers`."""
