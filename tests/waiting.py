"""Waiting for another process. The shipped contract waits in the same way, so the function lives there."""

from celeriac.testing.contract.waiting import wait_until

__all__ = ["wait_until"]
