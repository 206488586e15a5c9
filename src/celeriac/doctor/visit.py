"""The store: from one thing to the next, for as long as the store answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from celeriac.doctor import names, queues, schedules, workers
from celeriac.errors import OperationalError
from celeriac.findings import Finding, Severity

if TYPE_CHECKING:
    from celeriac.app import Celeriac


def visit(app: Celeriac, *, named: bool) -> Iterator[Finding]:
    """Examine the store of an application; create and change nothing.

    Args:
        named: whether the application's tasks are known; one that only stands in has none.

    Raises:
        ConfigurationError: the store's URL is wrong.
    """
    examined = app.broker.examine(app.clock.now())
    yield from examined.findings
    if examined.usable:
        yield from _answers(app, named)


def _answers(app: Celeriac, named: bool) -> Iterator[Finding]:
    """Ask the store for what it knows; a question that it does not answer is the last one."""
    questions: tuple[Callable[[], Iterable[Finding]], ...] = (
        lambda: workers.examine(app),
        lambda: queues.examine(app),
        lambda: names.examine(app),
        lambda: schedules.examine(app, named=named),
    )
    try:
        for question in questions:
            yield from question()
    except OperationalError as error:
        yield Finding("store", Severity.ERROR, f"The store has stopped to answer: {error}.")
