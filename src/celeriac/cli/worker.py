"""`celeriac worker`: hand what was given to the supervisor. The application is not imported here."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from celeriac.cli.codes import Exit
from celeriac.cli.options import ADDRESS, QUEUE_NAMES, ParamType, flattened
from celeriac.cli.options import command as make_command
from celeriac.cli.output import count, visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session
from celeriac.config import MOST_WEIGHT
from celeriac.errors import ConfigurationError, InvalidName
from celeriac.message import check_id

if TYPE_CHECKING:
    from celeriac.logs import LogFormat
    from celeriac.worker.health import Health
    from celeriac.worker.supervisor import Meter

LOG_FORMATS: Final = ("text", "json")
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# The command's option -> the worker's option. Each is also a setting `worker_…`, which the
# environment variable of the same name sets; only what the command line says overrides the code.
_OWN: Final = {
    "concurrency": "slots",
    "processes": "processes",
    "autoscale": "autoscale",
    "threads": "threads",
    "max_tasks_per_child": "max_tasks",
    "max_memory_per_child": "max_memory_kib",
}

# Celery's options that have no effect here, and why.
_IDLE: Final = {
    "pool": ("-P", "--pool", "async def and def tasks run side by side; executor='process' isolates one"),
    "optimization": ("-O", "--optimization", "a worker never holds what it cannot start"),
    "task_events": ("-E", "--task-events", "progress is always kept"),
    "without_gossip": (None, "--without-gossip", "workers do not talk to each other"),
    "without_mingle": (None, "--without-mingle", "workers do not talk to each other"),
    "without_heartbeat": (None, "--without-heartbeat", "leases are always renewed"),
    "prefetch_multiplier": (None, "--prefetch-multiplier", "a worker never holds what it cannot start"),
    "beat": ("-B", "--beat", "workers send for schedules in any case; --no-beat leaves that to others"),
}
_FLAGS: Final = frozenset({"task_events", "without_gossip", "without_mingle", "without_heartbeat", "beat"})


def _idle_options() -> list[click.Option]:
    made = []
    for name, (short, long, why) in _IDLE.items():
        names = [part for part in (short, long, name) if part]
        flag = {"is_flag": True} if name in _FLAGS else {"type": str}
        text = f"Celery's; no effect: {why}."
        made.append(
            click.Option(names, hidden=True, default=None, help=text, allow_from_autoenv=False, **flag)
        )
    return made


_POSITIVE: Final = click.IntRange(min=1)


class _Autoscale(ParamType):
    name = "max,min"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        most, _, least = value.partition(",")
        try:
            bounds = int(most), int(least or 1)
        except ValueError:
            bounds = 0, 0
        if not 1 <= bounds[1] <= bounds[0]:
            self.fail(f"{value!r} is not MAX,MIN, such as 8,2", param, ctx)
        return bounds


AUTOSCALE: Final = _Autoscale()


class _Weights(ParamType):
    name = "n,n"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            weights = tuple(int(part) for part in value.split(","))
        except ValueError:
            weights = ()
        if not weights or not all(1 <= weight <= MOST_WEIGHT for weight in weights):
            self.fail(f"{value!r} is not N,N with whole numbers from 1 up, such as 6,3,1", param, ctx)
        return weights


WEIGHTS: Final = _Weights()


@make_command("worker", params=_idle_options())
@click.option(
    "-Q", "--queues", type=QUEUE_NAMES, multiple=True, help="Queues to serve, the most important first: a,b."
)
@click.option(
    "--weights",
    type=WEIGHTS,
    metavar="N,N",
    help="Shares of the queues of -Q, in their order: 6,3,1. Without, the first one always goes first.",
)
@click.option("-c", "--concurrency", type=_POSITIVE, help="Tasks at once in each process (16).")
@click.option("--processes", type=_POSITIVE, help="Processes (one for each core).")
@click.option(
    "--autoscale",
    type=AUTOSCALE,
    metavar="MAX,MIN",
    help="As many processes as there is work for, within these bounds.",
)
@click.option("--threads", type=_POSITIVE, help="Of the tasks at once, how many may be `def` (all).")
@click.option("-n", "--hostname", help="What people call this worker; %h stands for the host's name.")
@click.option(
    "-l",
    "--loglevel",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="WARNING",
    show_default=True,
    help="What to tell on standard error.",
)
@click.option(
    "--log-format",
    type=click.Choice(LOG_FORMATS),
    help="How to tell it: text, or a line of JSON for each event (text).",
)
@click.option("--max-tasks-per-child", type=_POSITIVE, help="Replace a process after so many tasks.")
@click.option(
    "--max-memory-per-child", type=_POSITIVE, metavar="KIB", help="Replace a process above so much memory."
)
@click.option("--no-beat", is_flag=True, help="Leave the schedules to other workers, or to `celeriac beat`.")
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that is there while all processes exchange with the store, and only then.",
)
@click.option(
    "--health", type=ADDRESS, metavar="[HOST:]PORT", help="Answer GET there: 200 while ready, else 503; JSON."
)
@click.option(
    "--metrics",
    type=ADDRESS,
    metavar="[HOST:]PORT",
    help="Answer GET /metrics there, for Prometheus (extra `prometheus`).",
)
@click.option("--reload", is_flag=True, help="Start anew when a Python file here changes (extra `reload`).")
@click.pass_context
def command(
    context: click.Context,
    session: Session,
    /,
    *,
    queues: tuple[tuple[str, ...], ...],
    weights: tuple[int, ...] | None,
    hostname: str | None,
    loglevel: str,
    log_format: LogFormat | None,
    reload: bool,
    no_beat: bool,
    ready_file: Path | None,
    health: tuple[str, int] | None,
    metrics: tuple[str, int] | None,
    **options: Any,
) -> int:
    """Run a worker until SIGTERM or Ctrl-C; it then finishes what runs. A second signal gives that back too.

    SIGTERM once: no new tasks, running ones get the grace period (`worker_soft_shutdown_timeout`, 8 s).
    """
    reference = reference_of(session, "worker")
    for name in _IDLE:
        if options.pop(name, None):
            _note(session, f"{_shown(name)} has no effect: {_IDLE[name][2]}", log_format)
    given = _given(context, options)
    if queues:
        given["queues"] = flattened(queues)
    if weights is not None:
        given["weights"] = _weighed(given.get("queues", ()), weights)
    if no_beat:
        given["beat"] = False
    if hostname:
        given["name"] = _name(hostname)
    overriding = session.settings
    if context.get_parameter_source("log_format") is ParameterSource.COMMANDLINE:
        overriding["worker_log_format"] = log_format
    return run(
        session,
        reference,
        given,
        settings=overriding,
        loglevel=loglevel.upper(),
        log_format=log_format or "text",
        reload=reload,
        health=_health(ready_file, health),
        meter=_meter(metrics),
    )


def _meter(address: tuple[str, int] | None) -> Meter | None:
    """Return what shows the metrics of the worker; None if nobody asks."""
    if address is None:
        return None
    from celeriac.contrib.prometheus import WorkerMetrics

    try:
        return WorkerMetrics(*address)
    except ConfigurationError as error:
        raise click.BadParameter(str(error), param_hint="'--metrics'") from error


def _health(ready_file: Path | None, address: tuple[str, int] | None) -> Health | None:
    """Return whom to tell how the worker is; None if nobody asks."""
    from celeriac.worker.health import Health

    notify = os.environ.pop("NOTIFY_SOCKET", None)  # what tasks start shall not speak for the worker
    if ready_file is None and address is None and notify is None:
        return None
    return Health(ready_file=ready_file, address=address, notify=notify)


def run(
    session: Session,
    reference: str,
    given: Mapping[str, Any],
    *,
    settings: Mapping[str, Any],
    loglevel: str,
    log_format: LogFormat = "text",
    reload: bool,
    health: Health | None = None,
    meter: Meter | None = None,
) -> int:
    """Supervise until told to stop; return the exit code."""
    from celeriac.brokers import connect
    from celeriac.worker.supervisor import Supervisor

    supervisor = Supervisor(
        reference,
        given,
        connect=connect,
        settings=settings,
        loglevel=loglevel,
        log_format=log_format,
        reload=reload,
        health=health,
        meter=meter,
        banner=lambda hello: _banner(session, hello),
    )
    return supervisor.run()


def reference_of(session: Session, command: str) -> str:
    """Return what `-A` says; without it, say which module may be meant."""
    if session.reference is not None:
        return session.reference
    from celeriac.loading import guess

    again = "-A", guess() or "tasks", command
    raise Problem(
        f"a {command} needs an application: name its module with -A, or in CELERIAC_APP",
        code=Exit.USAGE,
        attempt=again,
    )


def _weighed(queues: Sequence[str], weights: Sequence[int]) -> dict[str, int]:
    if len(queues) != len(weights):
        raise click.BadParameter(
            f"{count(len(weights), 'weight')} for {count(len(queues), 'queue')}: name one for each of -Q",
            param_hint="'--weights'",
        )
    return dict(zip(queues, weights, strict=True))


def _name(hostname: str) -> str:
    """Return the worker's name; it shall fit into one word of a table."""
    try:
        return check_id(hostname.replace("%h", socket.gethostname()))
    except InvalidName:
        raise click.BadParameter(
            f"{hostname!r} cannot be a worker's name: use 1 to 128 letters, digits or any of _.:@+=~-",
            param_hint="'-n' / '--hostname'",
        ) from None


def _given(context: click.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _OWN[name]: value
        for name, value in options.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _note(session: Session, text: str, log_format: LogFormat | None) -> None:
    if log_format != "json":
        session.note(text)
    elif not session.quiet:
        tell_event(text)


def tell_event(message: str, **fields: Any) -> None:
    """Write a line of JSON as the log of a worker has them, on standard error, whatever the level is."""
    from celeriac.logs import OWN, JsonFormatter

    record = logging.makeLogRecord(
        {"name": OWN, "levelno": logging.INFO, "levelname": "INFO", "msg": message, **fields}
    )
    click.echo(JsonFormatter().format(record), err=True)


def _shown(name: str) -> str:
    short, long, _ = _IDLE[name]
    return str(long or short)


def _banner(session: Session, hello: Mapping[str, Any]) -> None:
    """Tell what the first process said of itself."""
    if session.quiet:
        return
    if hello.get("log_format") == "json":
        told = ("app", "queues", "processes", "slots", "tasks")
        tell_event("worker started", store=hello["shown_url"], **{name: hello[name] for name in told})
        return
    slots = f"{count(hello['processes'], 'process', 'processes')} with {count(hello['slots'], 'slot')} each"
    queues = ", ".join(hello["queues"])
    names: Sequence[str] = hello["tasks"]
    lines = [
        f"worker {hello['name']} of {hello['app']}",
        f"  store   {hello['shown_url']}",
        f"  queues  {queues}",
        f"  room    {slots}",
        f"  tasks   {', '.join(names) if names else 'none: are their modules imported (setting `imports`)?'}",
    ]
    click.echo("\n".join(visible(line) for line in lines), err=True)
