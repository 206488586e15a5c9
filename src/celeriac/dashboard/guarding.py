"""The ASGI layer around everything: wrong hosts and foreign requests stop here, answers get their headers."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from celeriac.dashboard import answers, guard
from celeriac.dashboard.site import Site


class Guarded:
    """Lets through what keeps to the rules of `guard`.

    Args:
        inner: who answers then.
    """

    def __init__(self, inner: ASGIApp, site: Site) -> None:
        self._inner, self._site = inner, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._inner(scope, receive, send)
            return
        await self._checked(scope)(scope, receive, _with_headers(send))

    def _checked(self, scope: Scope) -> ASGIApp:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        is_open = answers.here(Request(scope)) == answers.HEALTH
        if not is_open and not guard.is_host_allowed(host, self._site.allowed_hosts):
            return answers.problem(Request(scope), self._site, 400, "host", host=guard.host_name(host))
        is_bearer = guard.is_bearer(headers)
        if not guard.may_change(
            scope["method"], headers, trusted=self._site.trusted_origins, is_bearer=is_bearer
        ):
            return answers.problem(Request(scope), self._site, 403, "origin")
        return self._inner


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in guard.HEADERS:
                headers[name] = value
            headers.setdefault(*guard.UNKEPT)
        await send(message)

    return sent
