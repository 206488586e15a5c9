"""The application: its modules can be imported, its tasks run, its schedules be sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from celeriac.errors import ConfigurationError, InvalidMessage
from celeriac.findings import Finding, Severity, ok
from celeriac.jobs import executor_of
from celeriac.loading import LoadError, import_each

if TYPE_CHECKING:
    from celeriac.app import Celeriac

_OWN = "celeriac."  # what every application has


def examine(app: Celeriac) -> Iterator[Finding]:
    """Import what a worker would import, and look at what is there then."""
    problems = [of_load_error(error) for error in import_each(app)]
    yield from problems
    names = [name for name in app.tasks if not name.startswith(_OWN)]
    yield from _tasks(app, names)
    yield from _schedules(app)
    yield from _security(app)
    if problems:
        return
    if names:
        yield ok(
            "app.modules",
            f"All modules of {app.main} can be imported; it has {len(names)} task{'s' * (len(names) != 1)}.",
        )
    else:
        text = f"The application {app.main} has no task."
        remedy = "Name the modules of its tasks in the setting `imports`, or call autodiscover_tasks."
        yield Finding("app.modules", Severity.WARNING, text, remedy, ("config", "imports", "include"))


def of_load_error(error: LoadError) -> Finding:
    """Say that an application, or a module of it, cannot be loaded."""
    lines = reversed(error.traceback.splitlines())
    place = next((line.strip() for line in lines if line.startswith("  File ")), "")
    text = f"{error.reason[:1].upper()}{error.reason[1:]}"
    text += "" if text.endswith(("?", ".")) else "."
    remedy = f"Correct what {place} raises." if place else "Correct the name, or install what is missing."
    return Finding("app.modules", Severity.ERROR, text, remedy)


def _tasks(app: Celeriac, names: list[str]) -> Iterator[Finding]:
    for name in names:
        try:
            executor_of(app.tasks[name])
        except ConfigurationError as error:
            text = f"No worker can start with the task {name}: {error}."
            yield Finding("app.tasks", Severity.ERROR, text, "Correct the task's options.")


def _security(app: Celeriac) -> Iterator[Finding]:
    try:
        security = app.security
    except ConfigurationError as error:
        yield Finding("app.security", Severity.ERROR, f"No store can be used: {error}.", "Set security_keys.")
        return
    if security is None:
        return
    if security.unsigned != "refuse":
        text = (
            "Calls and results that are not signed are accepted: until that ends, signing protects nothing."
        )
        remedy = "When everything that sends and works signs, set security_unsigned to 'refuse'."
        yield Finding("app.security", Severity.WARNING, text, remedy, ("config", "security_unsigned"))
        return
    how = "encrypted" if security.encrypt else "signed"
    yield ok("app.security", f"What goes into the store is {how}. Keys: {len(security.keys)}.")


def _schedules(app: Celeriac) -> Iterator[Finding]:
    try:
        entries = app.schedules.defined()
    except (ConfigurationError, InvalidMessage) as error:
        text = f"The schedules in the code of {app.main} cannot be sent: {error}."
        yield Finding("app.schedules", Severity.ERROR, text, "Correct the schedule.")
        return
    for name, entry in entries.items():
        unknown = [
            message.name
            for message in entry.messages
            if message.name not in app.tasks and not (message.after is not None and message.after.join)
        ]
        if unknown:
            text = f"The schedule {name!r} in the code sends {', '.join(unknown)}, no task of {app.main}."
            remedy = "Correct the name, or see that another application's workers know it."
            yield Finding("app.schedules", Severity.WARNING, text, remedy)
