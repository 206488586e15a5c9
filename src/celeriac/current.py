"""Which application is the current one, and the tasks that belong to whichever it is."""

from __future__ import annotations

from typing import Any, Final

from celeriac.errors import ConfigurationError

_current: list[Any] = []
shared_tasks: Final[dict[str, Any]] = {}


def current_application() -> Any:
    """Return the application that was made, or set, last.

    Raises:
        ConfigurationError: there is none yet.
    """
    if not _current:
        raise ConfigurationError("there is no application yet: make one with Celeriac('name')")
    return _current[-1]


def current_application_or_none() -> Any:
    """Return the application that was made, or set, last; None when there is none."""
    return _current[-1] if _current else None


def set_current_application(app: Any) -> None:
    """Make *app* the current one."""
    _current[:] = [app]
