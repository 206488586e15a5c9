"""The dashboard: what waits, runs and fails, in the browser; and what can be done about it.

`dashboard(app, access=…)` is an ASGI application, `dashboard.wsgi(…)` one for WSGI, `dashboard.django(…)` a
list of addresses for Django; `celeriac dashboard` serves one by itself. Needs the extra `dashboard`.

Pages are made on the server and work without JavaScript: a page module returns a view (facts, no words), a
template shows it, and programs get the same view as JSON. Scripts only bring the changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, Literal

from celeriac.dashboard.roles import User
from celeriac.errors import MissingExtra

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from celeriac.app import Celeriac
    from celeriac.dashboard.access import AccessOption

__all__ = ["User", "dashboard"]


class Dashboard:
    """Makes dashboards; there is one of it, `dashboard`."""

    def __call__(
        self,
        app: Celeriac,
        *,
        access: AccessOption | None = None,
        read_only: bool = False,
        live: Literal["stream", "poll", "off"] = "stream",
        allowed_hosts: Collection[str] | None = None,
        trusted_origins: Collection[str] = (),
        hidden_keys: Collection[str] = (),
    ) -> ASGIApp:
        """Make an ASGI application, to be mounted anywhere.

        Args:
            access: a function that is given the request (Starlette's), and returns "viewer", "operator",
                "admin", a `celeriac.dashboard.User` with its name and role, or None for nobody; it may be a
                coroutine function. "open" lets everybody do everything.
            read_only: nothing can be changed, whoever asks.
            live: how news reach the browser: a "stream", which holds a connection for each page that is
                looked at, or "poll", every three seconds; or "off".
            allowed_hosts: names that requests may call this server by; None for any.
            trusted_origins: other pages that may send requests that change something.
            hidden_keys: more names of arguments whose values are shown as `•••`.

        Raises:
            ConfigurationError: *access* is not given.
            MissingExtra: the extra `dashboard` is not installed.
        """
        _check_extra()
        from celeriac.dashboard.access import access_of
        from celeriac.dashboard.site import Site
        from celeriac.dashboard.web import build

        return build(
            Site(
                app,
                access_of(access),
                read_only=read_only,
                live=live,
                allowed_hosts=allowed_hosts,
                trusted_origins=trusted_origins,
                hidden_keys=hidden_keys,
            )
        )

    def wsgi(
        self,
        app: Celeriac,
        prefix: str = "",
        inner: Callable[..., Any] | None = None,
        *,
        access: AccessOption | None = None,
        live: Literal["stream", "poll", "off"] = "poll",
        **options: Any,
    ) -> Callable[..., Any]:
        """Make a WSGI application: the dashboard below *prefix*, and *inner* everywhere else.

        Args:
            access: as above, but it is given WSGI's environ.
            live: "stream" holds a thread of the server for each page that is looked at.
            options: as above.

        Raises:
            ConfigurationError, MissingExtra: as above.
        """
        _check_extra()
        from celeriac.dashboard.shells import WsgiShell, checked_prefix

        outside = self(app, access=_asked_outside(access), live=live, **options)
        return WsgiShell(outside, checked_prefix(prefix), inner, access)

    def django(
        self,
        app: Celeriac,
        *,
        access: AccessOption | None = None,
        live: Literal["poll", "off"] = "poll",
        **options: Any,
    ) -> list[Any]:
        """Make addresses for Django: `path("celeriac/", include(dashboard.django(app, access=check)))`.

        Args:
            access: as above, but it is given Django's request.
            options: as above.

        Raises:
            ConfigurationError, MissingExtra: as above.
        """
        _check_extra()
        from celeriac.dashboard.shells import django_addresses

        outside = self(app, access=_asked_outside(access), live=live, **options)
        return django_addresses(outside, access)


def _asked_outside(access: AccessOption | None) -> AccessOption | None:
    """Return what stands in for a function that the shell asks before the dashboard is called."""
    return _nobody if callable(access) else access


def _nobody(_: object) -> None:
    """Let nobody in: a request that the shell has not decided on."""


def _check_extra() -> None:
    """Return if what the dashboard is made of is installed.

    Raises:
        MissingExtra: it is not.
    """
    try:
        import a2wsgi  # noqa: F401
        import jinja2  # noqa: F401
        import sse_starlette  # noqa: F401
        import starlette  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"the dashboard needs {error.name}: pip install 'celeriac[dashboard]'") from error


dashboard: Final = Dashboard()
