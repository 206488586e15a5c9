"""`celeriac metrics`: everything that a store has counted, for Prometheus."""

from __future__ import annotations

import signal
import threading

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import ADDRESS
from celeriac.cli.options import command as make_command
from celeriac.cli.session import Session


@make_command("metrics")
@click.option(
    "--port",
    type=ADDRESS,
    metavar="[HOST:]PORT",
    default="9808",
    show_default=True,
    help="Where to answer GET /metrics; on 127.0.0.1 without a host.",
)
@click.option("--once", is_flag=True, help="Write the metrics once, and end.")
def command(session: Session, /, *, port: tuple[str, int], once: bool) -> int:
    """Serve what all workers of a store have counted, for Prometheus (extra `prometheus`)."""
    from celeriac.contrib.prometheus import Endpoint, StoreCollector, registry_of, text_of

    app = session.look()
    app.broker.ping()
    collector = StoreCollector(app.broker, app.clock)
    if once:
        session.out(text_of(collector).rstrip())
        return Exit.OK
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    endpoint = Endpoint(registry_of(collector), *port)
    if not session.quiet:
        click.echo(f"metrics of {session.where}\n  at  http://{port[0]}:{endpoint.port}/metrics", err=True)
    stopped.wait()
    endpoint.close()
    return Exit.OK
