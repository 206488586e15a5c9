"""``python -m tests.browser.dashboard.mounted KIND STORE``: a web application with a dashboard in it.

KIND is flask, fastapi or django; the dashboard is below `/ops/celeriac`. Says at which port it is served.
"""

import socket
import sys
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from celeriac import Celeriac
from celeriac.clock import SystemClock
from celeriac.dashboard import dashboard

PREFIX = "/ops/celeriac"


def flask(app: Celeriac) -> None:
    """Serve it in Flask, by Flask's own server."""
    from flask import Flask
    from werkzeug.serving import make_server as make

    web = Flask("shop")
    web.add_url_rule("/", view_func=lambda: "<h1>the shop</h1>")
    web.wsgi_app = dashboard.wsgi(app, PREFIX, web.wsgi_app, access=lambda environ: "admin")
    server = make("127.0.0.1", 0, web, threaded=True)
    say(server.port)
    server.serve_forever()


def fastapi(app: Celeriac) -> None:
    """Serve it in FastAPI, by uvicorn."""
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    web = FastAPI()
    web.get("/", response_class=HTMLResponse)(lambda: "<h1>the shop</h1>")
    web.mount(PREFIX, dashboard(app, access=lambda request: "admin"))
    sock = socket.create_server(("127.0.0.1", 0))
    say(sock.getsockname()[1])
    uvicorn.Server(uvicorn.Config(web, log_level="warning")).run(sockets=[sock])


def django(app: Celeriac) -> None:
    """Serve it in Django, with its usual protection against forged forms."""
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import include, path

    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="x" * 50,
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
    )
    inside = dashboard.django(app, access=lambda request: "admin")
    globals()["urlpatterns"] = [
        path("", lambda request: HttpResponse("<h1>the shop</h1>")),
        path("ops/celeriac/", include(inside)),
    ]

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
    say(server.server_port)
    server.serve_forever()


def say(port: int) -> None:
    print(port, flush=True)


KINDS: dict[str, Callable[[Celeriac], None]] = {"flask": flask, "fastapi": fastapi, "django": django}

if __name__ == "__main__":
    KINDS[sys.argv[1]](Celeriac("shop", broker=sys.argv[2], clock=SystemClock()))
