"""One process of a worker command: `python -m celeriac.child [--spare] DESCRIPTOR`; the supervisor starts it.

It is told over the channel at that descriptor what to do. Then it loads the application, tells the supervisor
what it must know, and works until told to stop. When the supervisor is gone it finishes its running tasks,
renewing its own lease meanwhile, and ends. One in reserve waits for its order, and has loaded before what
does not depend on the application.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from celeriac import brokers
from celeriac.embedded import build_worker, options_of
from celeriac.errors import BrokerUnavailable, CeleriacError, ConfigurationError, OperationalError
from celeriac.loading import import_tasks, load_app, override, reference_of
from celeriac.tally import Tally
from celeriac.worker.channel import Channel
from celeriac.worker.keeper import PERIOD, Keeper
from celeriac.worker.ledger import ROWS_AT_ONCE
from celeriac.worker.log import log, set_up_logging
from celeriac.worker.options import EXIT_APPLICATION
from celeriac.worker.process import Worker

EXIT_STORE: Final = 3
EXIT_CRIPPLED: Final = 70  # as sysexits.h has it for an internal error
AWAY_PAUSE: Final = 1.0
LAST_SECONDS: Final = 2.0
# A task that computes without pause gives the interpreter away once in so many seconds. A trip to SQLite asks
# for it at every step, with the store's write lock in its hand: at Python's 5 ms a trip took 40 ms.
SWITCH_INTERVAL: Final = 0.0005
# How many more objects than before let Python look for circles of garbage among the youngest, and how many
# such looks for one at the middle-aged. At Python's 700, ten thousand tasks that wait cost half of all time.
COLLECT_AFTER: Final = (50_000, 20)

_COLLECT_BY_DEFAULT: Final = gc.get_threshold()[:2]


class _Supervised:
    """The overseer at the other end of the channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def enlisted(self, worker: str) -> None:
        self._channel.send("enlisted", worker=worker)

    def limited(self, task_id: str, fence: int, deadline: float) -> None:
        self._channel.drop("limited", id=task_id, fence=fence, deadline=deadline)

    def ended(self, ids: Sequence[str]) -> None:
        self._channel.drop("ended", ids=ids)

    def retiring(self, reason: str) -> None:
        self._channel.send("retiring", reason=reason)

    def pulse(self, exchanged: float | None, done: int, lag: float | None) -> None:
        self._channel.drop("pulse", exchanged=exchanged, done=done, lag=lag)

    def crippled(self) -> None:
        os._exit(EXIT_CRIPPLED)


def _counted(channel: Channel) -> Callable[[Sequence[Tally]], None]:
    """Return what brings to the supervisor what was counted, in lines that are not too long."""

    def tell(tallies: Sequence[Tally]) -> None:
        for start in range(0, len(tallies), ROWS_AT_ONCE):
            channel.send("counted", tallies=tallies[start : start + ROWS_AT_ONCE])

    return tell


def main(argv: Sequence[str]) -> int:
    """Do what comes over the channel at the descriptor that *argv* ends with; return the exit code."""
    descriptor = int(argv[-1])
    os.set_inheritable(descriptor, False)  # programs that tasks start have no part in it
    channel = Channel(socket.socket(fileno=descriptor))
    sys.setswitchinterval(SWITCH_INTERVAL)
    for number in (signal.SIGINT, signal.SIGHUP):  # the terminal sends them to all; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    messages = channel.messages()
    for message in messages:
        if message["kind"] == "load":
            _load(message["url"])
        elif message["kind"] == "work":
            break
    else:  # the supervisor has gone before it wanted anything
        return 0
    try:
        return _work(message, channel, messages)
    except ConfigurationError as error:
        return _fail(channel, error, EXIT_APPLICATION)
    except OperationalError as error:
        return _fail(channel, error, EXIT_STORE)


def _load(url: str) -> None:
    """Load what a worker on the store at *url* needs, whatever the application is."""
    with contextlib.suppress(CeleriacError):  # who works there will say what is wrong
        brokers.load(url)
    with contextlib.suppress(ImportError):
        importlib.import_module("uvloop")


def _fail(channel: Channel, error: CeleriacError, code: int) -> int:
    channel.send("failed", code=code)
    sys.stderr.write(f"celeriac: {error}\n")
    if suggestion := getattr(error, "suggestion", ""):
        sys.stderr.write(f"try: celeriac -A {suggestion} worker\n")
    return code


def _work(order: dict[str, Any], channel: Channel, messages: Iterator[dict[str, Any]]) -> int:
    app = override(load_app(order["reference"]), order["settings"])
    if app.broker_url.startswith("memory:"):
        raise ConfigurationError(
            "a store in memory belongs to one process, so nobody could send to this worker; "
            "use app.embedded(), or another store"
        )
    import_tasks(app)
    if app.conf.worker_hijack_root_logger:
        set_up_logging(order["loglevel"], app.conf.worker_log_format)
    options = options_of(app, **order["given"])
    stopped = threading.Event()
    worker = build_worker(
        app,
        options,
        overseer=_Supervised(channel),
        first=order["first"],
        reference=reference_of(app, order["reference"]),
        counted=_counted(channel) if order["counts"] else None,
    )
    if order["draining"]:
        worker.drain()
    _collect_less()
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    threading.Thread(target=_end, args=(worker, stopped), name="celeriac-end", daemon=True).start()
    channel.send(
        "hello",
        url=app.broker_url,
        store=app.store_options,
        security=app.security,
        app=app.main,
        tasks=sorted(name for name in app.tasks if not name.startswith("celeriac.")),
        **{
            name: getattr(options, name)
            for name in (
                *("processes", "slots", "threads", "queues", "lease", "grace", "beat", "autoscale"),
                *("statistics", "spare"),
            )
        },
        name=options.hostname,
        shown_url=app.broker.url,
        log_format=app.conf.worker_log_format,
    )
    threading.Thread(target=_obey, args=(app, messages, worker), name="celeriac-channel", daemon=True).start()
    declares = options.beat and order["declares"]
    if not _wait_for_store(app, stopped, declares=declares):
        return 0
    if declares:
        channel.send("scheduled")
    worker.run()
    worker.join()
    return 0


def _collect_less() -> None:
    """Look for garbage less often, and never in what was loaded; an application's own rules stay."""
    young, middle, old = gc.get_threshold()
    if gc.isenabled() and (young, middle) == _COLLECT_BY_DEFAULT:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER, old)


def _wait_for_store(app: Any, stopped: threading.Event, *, declares: bool) -> bool:
    """Open the store and bring it the schedules, waiting for one that is away; say whether to go on.

    Raises:
        ConfigurationError: a schedule in the code is wrong.
    """
    told = False
    while not stopped.is_set():
        try:
            app.broker.open()
            if declares:
                _declare(app)
        except BrokerUnavailable as error:
            if not app.conf.broker_connection_retry_on_startup:
                raise
            log.log(logging.DEBUG if told else logging.WARNING, "store is away", extra={"reason": str(error)})
            told = True
            stopped.wait(AWAY_PAUSE)
        else:
            if told:
                log.warning("store is back")
            return True
    return False


def _declare(app: Any) -> None:
    try:
        app.schedules.declare()
    except (ConfigurationError, OperationalError):
        raise
    except CeleriacError as error:  # it will be wrong at the next start, too
        raise ConfigurationError(str(error)) from error


def _obey(app: Any, messages: Iterator[dict[str, Any]], worker: Worker) -> None:
    """Do what the supervisor says; when it is gone, stop, and renew the lease until the end."""
    for message in messages:
        if message["kind"] == "stop":
            worker.stop(hurry=message["hurry"])
        elif message["kind"] == "drain":
            worker.drain(message["on"])
        elif message["kind"] == "stack":
            worker.show_stack(message["task"])
    log.warning("supervisor is gone", extra={"worker": worker.id})
    worker.stop()
    _renew(app, worker)


def _renew(app: Any, worker: Worker) -> None:
    keeper = Keeper(app.broker, app.clock, workers=lambda: [worker.id], lease=worker.options.lease)
    while not worker.join(PERIOD):
        try:
            keeper.keep()
        except CeleriacError as error:
            log.warning("lease not renewed", extra={"reason": str(error)})


def _end(worker: Worker, stopped: threading.Event) -> None:
    """End the process when the worker has stopped or retired, even if a task's loop or threads go on."""
    worker.wait_for_stop()
    stopped.set()
    while not worker.join(PERIOD):
        continue
    threading.Event().wait(LAST_SECONDS)
    hint = "a task blocks the event loop, or has left a thread behind"
    log.warning("process does not end by itself: ending it", extra={"worker": worker.id, "hint": hint})
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
