"""``python run.py [--broker URL] [--port 8000]``: worker, web page and dashboard, until Ctrl-C.

The three are ordinary programs and can be run apart, also on different machines; README.md says how.
"""

import argparse
import importlib.util
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from program import Program, say

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
PORTS_TO_TRY = 50
DASHBOARD_NEEDS = ("a2wsgi", "jinja2", "sse_starlette", "starlette", "uvicorn")


def main() -> int:
    """Run all until Ctrl-C (return 0) or until the worker turns out not to work (return 1)."""
    options = parser().parse_args()
    os.environ["CELERIAC_BROKER_URL"] = store(options.broker)
    port = free_port(options.port)
    dashboard_port = free_port(port + 1) if has_dashboard() else 0
    if dashboard_port:
        os.environ["DASHBOARD_URL"] = f"http://{HOST}:{dashboard_port}"
    from web import web  # it reads the environment, as the worker does
    from werkzeug.serving import make_server

    server = make_server(HOST, port, web, threaded=True)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line for each request
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.default_int_handler)
    worker = Program(
        "worker",
        ["worker", *reload_option()],
        on_start="The worker is process {pid}. Kill it (kill -9 {pid}): nothing is lost.",
        on_hopeless=server.shutdown,
    )
    dashboard = start_dashboard(dashboard_port) if dashboard_port else None
    with suppress(KeyboardInterrupt):
        say(f"Open http://{HOST}:{port}/ in a browser; stop with Ctrl-C.")
        server.serve_forever()  # until Ctrl-C, or until the worker is given up
    if dashboard is not None:
        dashboard.stop()
    worker.stop("Stopping: the worker finishes what it has begun (Ctrl-C again: leave it for next time).")
    return 1 if worker.hopeless else 0


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--broker", help="URL of the store, such as redis://127.0.0.1:6379/0 (default: a file here)"
    )
    options.add_argument(
        "--port",
        type=int,
        default=8000,
        help="where the page is served (default: 8000); the next is the dashboard's",
    )
    return options


def store(url: str | None) -> str:
    """Return the store's URL: as asked for, else the environment's, else one SQLite file beside us."""
    url = url or os.environ.get("CELERIAC_BROKER_URL") or f"sqlite:///{HERE / 'celeriac.db'}"
    scheme, mark, path = url.partition("sqlite:///")
    if mark and not scheme and not path.startswith("/"):
        return f"sqlite:///{Path.cwd() / path}"  # the worker runs in another folder
    return url


def free_port(wanted: int) -> int:
    """Return *wanted* or, when it is taken, the next free port."""
    for port in range(wanted, wanted + PORTS_TO_TRY):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port != wanted:
            say(f"Port {wanted} is taken; using {port}.")
        return port
    raise SystemExit(f"The {PORTS_TO_TRY} ports from {wanted} on are all taken; name another with --port.")


def has_dashboard() -> bool:
    """Return whether what the dashboard needs is installed; say so if not, since all else works without."""
    if missing := [name for name in DASHBOARD_NEEDS if importlib.util.find_spec(name) is None]:
        say(f"No dashboard: {missing[0]} is not installed (pip install 'celeriac[dashboard]').")
    return not missing


def start_dashboard(port: int) -> Program:
    """Start it once there is a store to look at. It prints its address; the rest goes on without it."""
    from tasks import app

    from celeriac.errors import OperationalError

    with suppress(OperationalError):  # the worker says what is wrong
        app.broker.ping()
    return Program("dashboard", ["dashboard", "--port", str(port)], on_hopeless=lambda: None)


def reload_option() -> list[str]:
    """Return the option by which the worker notices a saved file, where that can be."""
    if importlib.util.find_spec("watchfiles") is not None:
        return ["--reload"]
    say("The worker will not notice changed files (pip install 'celeriac[reload]').")
    return []


if __name__ == "__main__":
    sys.exit(main())
