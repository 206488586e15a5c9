"""Secrets in arguments, results and progress are hidden before anything leaves the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from celeriac.message import Record
from celeriac.redaction import redacted, redacted_call
from celeriac.search import TaskView

Parameters = Callable[[str], tuple[str, ...]]


def _unknown(name: str) -> tuple[str, ...]:  # noqa: ARG001 - of any task
    return ()


class Hiding:
    """Knows which names stand for secrets.

    Args:
        keys: names besides the usual ones.
        parameters: what the task of a name calls its positional arguments.
    """

    def __init__(self, keys: Iterable[str] = (), parameters: Parameters = _unknown) -> None:
        self.keys = tuple(keys)
        self._parameters = parameters

    def view(self, record: Record) -> TaskView:
        """Show *record*, with every secret in it replaced."""
        return TaskView.of(record, parameters=self._parameters(record.message.name)).redacted(self.keys)

    def arguments(
        self, name: str, args: list[Any], kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of a call of the task *name*, with every secret in them replaced."""
        return redacted_call(args, kwargs, self._parameters(name), self.keys)

    def hide(self, value: Any) -> Any:
        """Return *value* with every secret in it replaced, at any depth."""
        return redacted(value, self.keys)
