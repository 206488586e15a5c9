"""The dashboard inside WSGI and Django: an event loop of its own in each process, made when it is needed."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from a2wsgi import ASGIMiddleware

from celeriac.dashboard.access import DECIDED, AccessOption, user_from
from celeriac.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Loop:
    """An event loop in a thread; another one in a forked process, which has no threads of its parent's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        """Return the loop of this process."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._pid, self._loop = os.getpid(), asyncio.new_event_loop()
                target, name = partial(_run, self._loop), "celeriac-dashboard"
                self._thread = threading.Thread(target=target, name=name, daemon=True)
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """End the loop and its thread; the next request makes others."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None and self._pid == os.getpid():
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, and leave nothing open behind it."""
    try:
        loop.run_forever()
        loop.run_until_complete(_end())
    finally:
        loop.close()


async def _end() -> None:
    """Cancel what still goes on in this loop."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_PREFIX: Final = re.compile(r"(/[A-Za-z0-9_.~-]+)*/?")
LOOP: Final = Loop()  # one for all dashboards of a process


def checked_prefix(prefix: str) -> str:
    """Return *prefix* as `/a/b`, or "" for the root.

    Raises:
        ConfigurationError: it does not begin with a slash, or holds what addresses do not.
    """
    if prefix and not prefix.startswith("/"):
        raise ConfigurationError(
            f"the prefix {prefix!r} of the dashboard begins with a slash: {'/' + prefix!r}"
        )
    if not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            f"the prefix {prefix!r} of the dashboard cannot be one: between its slashes are letters, digits "
            "or any of _.~-"
        )
    return prefix.rstrip("/")


class WsgiShell:
    """A WSGI application: the dashboard below a prefix, something else everywhere else.

    Args:
        outside: the dashboard. inner: the other application; None for none.
        access: asked with the environ, in the server's own thread, before the dashboard is called.
    """

    def __init__(
        self,
        outside: ASGIApp,
        prefix: str,
        inner: Callable[..., Any] | None,
        access: AccessOption | None,
    ) -> None:
        self._outside, self._prefix, self._inner = outside, prefix, inner
        self._access = access if callable(access) else None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        path: str = environ.get("PATH_INFO", "")
        if path != self._prefix and not path.startswith(f"{self._prefix}/"):
            if self._inner is not None:
                answered: Iterable[bytes] = self._inner(environ, start_response)
                return answered
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"Not Found"]
        below = {
            **environ,
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + self._prefix,
            "PATH_INFO": path[len(self._prefix) :] or "/",
        }
        called = self._outside
        if self._access is not None:
            called = decided(called, user_from(self._access(environ)))
        shell = ASGIMiddleware(called, loop=LOOP.get())  # type: ignore[arg-type]
        return shell(below, start_response)  # type: ignore[arg-type]


def decided(outside: ASGIApp, user: Any) -> ASGIApp:
    """Return the dashboard as *user* sees it."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await outside({**scope, DECIDED: user}, receive, send)

    return call


# --- Django -----------------------------------------------------------------------------------------------


def django_addresses(outside: ASGIApp, access: AccessOption | None) -> list[Any]:
    """Make one address for all below it, for Django's `include`."""
    from django.urls import re_path  # type: ignore[import-untyped]
    from django.views.decorators.csrf import csrf_exempt  # type: ignore[import-untyped]

    @csrf_exempt  # type: ignore[untyped-decorator]  # the dashboard looks itself at where a request comes from
    def view(request: Any, path: str) -> Any:
        called = decided(outside, user_from(access(request))) if callable(access) else outside
        return _answered(called, request, path, LOOP.get())

    return [re_path(r"^(?P<path>.*)$", view)]


def _answered(called: ASGIApp, request: Any, path: str, loop: asyncio.AbstractEventLoop) -> Any:
    """Call the dashboard with Django's request, and make Django's answer of its own."""
    from django.http import HttpResponse  # type: ignore[import-untyped]

    body, parts, head = request.body, list[bytes](), dict[str, Any]()
    asked = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return asked.pop() if asked else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            head.update(message)
        else:
            parts.append(message.get("body", b""))

    scope = _scope_of(request, path)
    asyncio.run_coroutine_threadsafe(called(scope, receive, send), loop).result()  # type: ignore[arg-type]
    answer = HttpResponse(b"".join(parts), status=head["status"])
    del answer.headers["content-type"]
    for name, value in head["headers"]:
        if name == b"set-cookie":
            answer.cookies.load(value.decode("latin-1"))
        else:
            answer.headers[name.decode("latin-1")] = value.decode("latin-1")
    return answer


def _scope_of(request: Any, path: str) -> Scope:
    root = request.path[: len(request.path) - len(path)].rstrip("/")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": f"{root}/{path}",
        "query_string": request.META.get("QUERY_STRING", "").encode("latin-1"),
        "root_path": root,
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in request.headers.items()
        ],
        "client": None,
        "server": (request.META.get("SERVER_NAME", ""), int(request.META.get("SERVER_PORT") or 80)),
        "extensions": {},
    }
