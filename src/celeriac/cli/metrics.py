"""`celeriac metrics`: everything that a store has counted, for Prometheus."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import ADDRESS
from celeriac.cli.options import command as make_command
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session
from celeriac.errors import BrokerUnavailable, ConfigurationError

if TYPE_CHECKING:
    from celeriac.contrib.prometheus import Endpoint, StoreCollector


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
    """Serve what all workers of a store have counted, for Prometheus (extra `prometheus`).

    While the store is away there is `celeriac_store_up 0` and nothing else; --once then ends with 3.
    """
    from celeriac.contrib.prometheus import StoreCollector, text_of

    app = session.look()
    collector = StoreCollector(app.broker, app.clock)
    if once:
        session.out(text_of(collector).rstrip())
        app.broker.ping()
        return Exit.OK
    try:
        app.broker.ping()
    except BrokerUnavailable as error:  # it may come back, and until then somebody has to say that it is down
        session.note(f"the store is away for now: {error}")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    endpoint = _endpoint(collector, *port)
    if not session.quiet:
        click.echo(f"metrics of {session.where}\n  at  http://{port[0]}:{endpoint.port}/metrics", err=True)
    stopped.wait()
    endpoint.close()
    return Exit.OK


def _endpoint(collector: StoreCollector, host: str, port: int) -> Endpoint:
    from celeriac.contrib.prometheus import Endpoint, registry_of

    try:
        return Endpoint(registry_of(collector), host, port)
    except ConfigurationError as error:
        raise Problem(str(error), code=Exit.USAGE, attempt=("metrics", "--port", "0")) from error
