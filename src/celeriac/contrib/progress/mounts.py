"""The endpoints as each web framework mounts them; one is imported only by whoever asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from celeriac.contrib.progress.desk import STREAM_HEADERS, Answer, Audience, Desk
from celeriac.errors import MissingExtra

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from celeriac.app import Celeriac

ASYNC_STREAMS: Final = 100
THREADED_STREAMS: Final = 8  # each holds a thread, and a server has not many
SEND_TIMEOUT: Final = 20.0


def asgi(app: Celeriac, *, streams: int = ASYNC_STREAMS) -> Any:
    """Return the endpoints for Starlette and FastAPI: `web.mount("/progress", progress.asgi(app))`.

    Args:
        streams: live connections at once in this process; who comes later polls. 0: all poll.

    Raises:
        MissingExtra: Starlette or sse-starlette is not installed.
    """
    try:
        from sse_starlette.sse import EventSourceResponse
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.requests import Request
        from starlette.responses import Response
        from starlette.routing import Route
    except ImportError as error:
        raise MissingExtra("progress.asgi needs libraries: pip install 'celeriac[progress]'") from error
    desk = Desk(app, streams)

    async def respond(request: Request) -> Response:
        path, query = request.path_params["path"], request.url.query
        known = request.headers.get("if-none-match", "")
        found = await run_in_threadpool(desk.answer, path, query, known=known)
        if isinstance(found, Answer):
            return Response(found.body, found.status, found.headers)
        headers = {name: text for name, text in STREAM_HEADERS.items() if name != "Content-Type"}
        return EventSourceResponse(
            desk.astream(found), headers=headers, ping=3_600, send_timeout=SEND_TIMEOUT
        )

    return Starlette(routes=[Route("/{path:path}", respond, methods=["GET"])])


def wsgi(app: Celeriac, *, streams: int = THREADED_STREAMS) -> WSGIApplication:
    """Return the endpoints as a WSGI application, to be mounted by whatever mounts those.

    Args:
        streams: as `asgi` has it; each holds a thread. A server that has only one is never given one.
    """
    desk = Desk(app, streams)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD"), ("Content-Length", "0")])
            return []
        found = _threaded(desk, environ, environ.get("PATH_INFO", ""))
        if isinstance(found, Answer):
            length = ("Content-Length", str(len(found.body)))
            line = f"{found.status} {HTTPStatus(found.status).phrase}"
            start_response(line, [*found.headers.items(), length])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [found.body]
        start_response("200 OK", [*STREAM_HEADERS.items()])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else desk.stream(found)

    return application


def blueprint(app: Celeriac, *, streams: int = THREADED_STREAMS, name: str = "progress") -> Any:
    """Return the endpoints for Flask: `web.register_blueprint(progress.blueprint(app))`.

    Args:
        streams: as `wsgi` has it.
        name: of the blueprint, which is mounted at `/progress` unless it is registered elsewhere.
    """
    try:
        from flask import Blueprint, Response, request
    except ImportError as error:
        raise MissingExtra("progress.blueprint needs a library: pip install flask") from error
    desk = Desk(app, streams)
    made = Blueprint(name, __name__, url_prefix="/progress")

    @made.get("/<path:path>")
    def show(path: str) -> Response:
        found = _threaded(desk, request.environ, path)
        if isinstance(found, Answer):
            return Response(found.body, found.status, found.headers)
        return Response(() if request.method == "HEAD" else desk.stream(found), headers=STREAM_HEADERS)

    return made


def urls(app: Celeriac, *, streams: int | None = None) -> list[Any]:
    """Return the endpoints for Django: `path("progress/", include(progress.urls(app)))`.

    Args:
        streams: as `asgi` has it where Django runs under ASGI, else as `wsgi` has it.
    """
    try:
        from django.http import (  # type: ignore[import-untyped]
            HttpRequest,
            HttpResponse,
            HttpResponseNotAllowed,
            StreamingHttpResponse,
        )
        from django.urls import re_path  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("progress.urls needs a library: pip install django") from error
    threaded = Desk(app, THREADED_STREAMS if streams is None else streams)
    asynchronous = Desk(app, ASYNC_STREAMS if streams is None else streams)

    def show(request: HttpRequest, path: str) -> Any:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        environ: WSGIEnvironment | None = getattr(request, "environ", None)
        if environ is None:
            query = request.META.get("QUERY_STRING", "")
            found = asynchronous.answer(path, query, known=request.headers.get("If-None-Match", ""))
        else:
            found = _threaded(threaded, environ, path)
        if isinstance(found, Answer):
            content = b"" if request.method == "HEAD" else found.body
            return HttpResponse(content, status=found.status, headers=found.headers)
        body: Any = asynchronous.astream(found) if environ is None else threaded.stream(found)
        return StreamingHttpResponse(() if request.method == "HEAD" else body, headers=STREAM_HEADERS)

    return [re_path(r"^(?P<path>.+)$", show)]


def _threaded(desk: Desk, environ: WSGIEnvironment, path: str) -> Answer | Audience:
    return desk.answer(
        path,
        environ.get("QUERY_STRING", ""),
        known=environ.get("HTTP_IF_NONE_MATCH", ""),
        may_stream=bool(environ.get("wsgi.multithread")) and environ["REQUEST_METHOD"] == "GET",
    )
