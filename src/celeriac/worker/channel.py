"""The line between a supervisor and one of its processes: JSON lines over a pair of sockets."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any, Final

import msgspec

MOST: Final = 1 << 20  # bytes of one line

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Channel:
    """One end of the line.

    Args:
        end: a connected stream socket; the channel owns it.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._sending = threading.Lock()
        self._rest = b""

    def fileno(self) -> int:
        """Return the descriptor, for `poll`."""
        return self._end.fileno()

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message; nothing happens when nobody is there any more."""
        line = msgspec.json.encode({"kind": kind, **fields}) + b"\n"
        with contextlib.suppress(OSError), self._sending:
            self._end.sendall(line)

    def drop(self, kind: str, **fields: Any) -> None:
        """Send one message unless that would block: for what is useful but not needed."""
        line = msgspec.json.encode({"kind": kind, **fields}) + b"\n"
        with contextlib.suppress(OSError), self._sending:
            sent = self._end.send(line, socket.MSG_DONTWAIT)
            if sent < len(line):  # half a line: the other half must follow
                self._end.sendall(line[sent:])

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the messages that are there, waiting for the first; None when the other end is gone.

        Who says anything else than messages counts as gone: a task may have written to its process's end.
        """
        try:
            data = self._end.recv(65536)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MOST:
            return None
        try:
            return [dict(_decode(line)) for line in lines if line]
        except (ValueError, RecursionError):  # some broken text is a UnicodeDecodeError
            return None

    def readable(self) -> bool:
        """Say whether `receive` would return at once."""
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        return bool(poll.poll(0))

    def messages(self) -> Iterator[dict[str, Any]]:
        """Iterate over messages until the other end is gone."""
        while (batch := self.receive()) is not None:
            yield from batch

    def close(self) -> None:
        """Close this end."""
        self._end.close()
