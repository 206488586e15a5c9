"""Tests of an application's tasks, on the real engine.

A store in memory, a worker in the test's own thread, and a clock that moves only when told to.
`with app.test() as t: …` gives a `Stage`; the pytest plugin gives it as the fixture `celeriac_test`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celeriac.testing.stage import Stage

__all__ = ["Stage"]


def __getattr__(name: str) -> Any:
    """Import the stage when it is asked for: pytest loads the plugin beside it in every run."""
    if name in __all__:
        from celeriac.testing import stage

        return getattr(stage, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
