"""The processes of a worker as their supervisor knows them, how they are started, and the one in reserve."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from celeriac.worker.channel import Channel
from celeriac.worker.log import log

COMMAND: Final = (sys.executable, "-m", "celeriac.child")
SPARE: Final = "--spare"  # on the command line of one that was started in reserve
RESERVE_AFTER: Final = 5.0  # seconds after a start, which needs the processor for itself
RESERVE_AGAIN: Final = 30.0  # seconds after which one that could not be started, or died, is started again


class Child:
    """A worker process as its supervisor knows it."""

    def __init__(self, index: int, process: subprocess.Popen[bytes], channel: Channel) -> None:
        self.index = index
        self.process = process
        self.channel = channel
        self.started = time.monotonic()
        self.ids: list[str] = []
        self.limits: dict[str, tuple[int, float]] = {}
        self.hello: dict[str, Any] | None = None
        self.retiring = False
        self.reloading = False  # it was told to end, for the sake of new code
        self.exchanged: float | None = None
        self.done = 0
        self.lag: float | None = None
        self.exit_code: int | None = None  # it says that starting it again makes no sense
        self.connected = True

    @property
    def worker(self) -> str | None:
        """The id that it is enlisted under now."""
        return self.ids[-1] if self.ids else None


class _Begun(NamedTuple):
    """A process that has not been told what to do yet."""

    process: subprocess.Popen[bytes]
    channel: Channel

    def end(self) -> None:
        self.channel.close()
        self.process.kill()  # it has nothing to lose
        self.process.wait()


class Starter:
    """Starts processes, and keeps one in reserve where the death of another would leave nobody to work.

    To start Python and to import Celeriac takes most of the time until a dead process is replaced. One in
    reserve has done that. It has seen nothing of the application: none of its code, and no order.

    Args:
        command: how a process is started, without its arguments.
    """

    def __init__(
        self, command: Sequence[str] = COMMAND, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = list(command)
        self._environment = environment
        self._store: str | None = None  # the URL whose store the one in reserve loads; None: none is wanted
        self._spare: _Begun | None = None
        self._due = 0.0

    def start(self, index: int, order: Mapping[str, Any]) -> Child:
        """Start a process that does what *order* says; see `celeriac.child`.

        Raises:
            OSError: the system has no process or no memory left for it.
        """
        spare, self._spare = self._spare, None
        if spare is not None and spare.process.poll() is not None:
            spare.channel.close()
            spare = None
        begun = spare or self._begin()
        begun.channel.send("work", **order)
        self._due = time.monotonic() + RESERVE_AFTER
        return Child(index, *begun)

    def reserve(self, url: str) -> None:
        """Keep a process in reserve from now on, which has loaded what the store at *url* needs."""
        self._store = url

    def tend(self) -> None:
        """Start the one in reserve if it is wanted and due."""
        now = time.monotonic()
        if self._store is None or now < self._due:
            return
        self._due = now + RESERVE_AGAIN
        if self._spare is not None:
            if self._spare.process.poll() is None:
                self._due = now + RESERVE_AFTER
                return
            log.info("process in reserve has died", extra={"status": self._spare.process.returncode})
            self._spare.channel.close()
            self._spare = None
            return
        try:
            self._spare = self._begin(SPARE)
        except OSError as error:
            log.info("no process in reserve", extra={"reason": str(error)})
        else:
            self._spare.channel.send("load", url=self._store)
            self._due = now + RESERVE_AFTER

    def dismiss(self) -> None:
        """Keep none in reserve any more."""
        self._store = None
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.end()

    def _begin(self, *words: str) -> _Begun:
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            with theirs:
                process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
                    [*self._command, *words, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    env=self._environment,
                )
            undo.pop_all()
        return _Begun(process, Channel(ours))
