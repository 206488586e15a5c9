"""Which commands of a heartbeat are new: they are told until they were heard, and each is obeyed once."""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.broker import Beat
from celeriac.steering import Command


class Orders:
    """What the workers of one process, or of one supervisor, have heard."""

    def __init__(self) -> None:
        self._heard: dict[str, int] = {}

    def new(self, beat: Beat) -> Iterator[tuple[str, Command]]:
        """Give what is told to be done and was not given before, by worker."""
        for worker, commands in beat.commands.items():
            for command in commands:
                if command.number > self.heard(worker):
                    self._heard[worker] = command.number
                    yield worker, command

    def heard(self, worker: str) -> int:
        """Return the number of the last command that *worker* has heard."""
        return self._heard.get(worker, 0)

    def forget(self, worker: str) -> None:
        """A worker is gone."""
        self._heard.pop(worker, None)
