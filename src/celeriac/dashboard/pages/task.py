"""One task: what it is given, how far it is, what it came to, why it waits; what can be done with it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from celeriac.dashboard.facts import TaskFacts, facts_of
from celeriac.dashboard.roles import Role
from celeriac.dashboard.shown import Leafy, tree
from celeriac.dashboard.tails import LEVELS, Tail
from celeriac.dashboard.timeline import Part, parts_of
from celeriac.dashboard.visit import Action, Done, Missing, Page, Question, Refused, Visit
from celeriac.errors import NotRunning
from celeriac.errors import TimeoutError as WaitTimeout
from celeriac.message import Message, Record, check_id, decode_options, encode_options, new_ids
from celeriac.steering import Activity
from celeriac.worker.inputs import completed

MOST_RELATED: Final = 50
DEEDS: Final = 200  # of the latest, among which those with this task are looked for


class Related(msgspec.Struct, frozen=True):
    """A task that has to do with this one; *state* is "UNKNOWN" when it is gone."""

    id: str
    name: str
    state: str
    inside: str = ""


class TaskView(msgspec.Struct, frozen=True):
    """One task.

    Attributes:
        reason, reason_code: why it does not run, while it has not ended.
        parent, children: who has to do with it. more_children: how many are not among them.
        in_flow: whether others wait for it, or it for others.
        can: what can be done with it now.
        log: the end of what it has said, from *level* on. deeds: what people have done with it lately.
        commands: what goes on from here in a terminal.
    """

    task: TaskFacts
    reason: str
    reason_code: str
    parent: Related | None
    root: Related | None
    children: list[Related]
    more_children: int
    in_flow: bool
    timeline: tuple[Part, ...]
    can: tuple[str, ...]
    arguments: Leafy
    result: Leafy | None
    checkpoint: Leafy | None
    rest: Leafy | None
    log: Tail
    level: str
    deeds: list[Activity]
    commands: tuple[str, ...]


def look(visit: Visit) -> TaskView:
    """Look at the task that the address names."""
    record = _record(visit)
    app = visit.app
    facts = facts_of(completed(app.broker, record), visit.site.hiding)
    task = visit.site.watching.noted(app, record, facts)
    reason = app.explain(task.id) if not task.ended else None
    level = visit.query.get("level", "").lower()
    level = level if level in LEVELS else ""
    waiting = app.broker.dependants(task.id, 0, MOST_RELATED + 1)
    children = list(dict.fromkeys((*task.children, *waiting)))
    related = _related(visit, [task.parent_id, task.root_id, *children[:MOST_RELATED]])
    return TaskView(
        task=task,
        reason="" if reason is None else reason.text,
        reason_code="" if reason is None else reason.code,
        parent=related.get(task.parent_id or ""),
        root=related.get(task.root_id) if task.root_id != task.id else None,
        children=[related[each] for each in children[:MOST_RELATED]],
        more_children=max(0, len(children) - MOST_RELATED),
        in_flow=task.waits or bool(waiting),
        timeline=parts_of(task, visit.now),
        can=_can(task),
        arguments=tree(_arguments(task)),
        result=tree(task.result) if task.has_result else None,
        checkpoint=None if task.checkpoint is None else tree(task.checkpoint),
        rest=tree(task.progress.rest) if task.progress and task.progress.rest else None,
        log=visit.site.tails.of(app, task.id, level),
        level=level,
        deeds=[deed for deed in app.activity(count=DEEDS) if task.id in deed.target.split()],
        commands=_commands(task),
    )


def _commands(task: TaskFacts) -> tuple[str, ...]:
    """Return what goes on from here in a terminal."""
    if task.inside == "running":
        return (f"celeriac watch {task.id}", f"celeriac logs --follow {task.id}", f"celeriac stack {task.id}")
    first = "result" if task.ended else "watch"
    return (f"celeriac {first} {task.id}", f"celeriac logs {task.id}", f"celeriac tasks show {task.id}")


def _arguments(task: TaskFacts) -> Any:
    return {**{f"[{at}]": value for at, value in enumerate(task.args)}, **task.kwargs}


def _record(visit: Visit) -> Record:
    task_id = check_id(visit.path["id"])
    [record] = visit.app.broker.get([task_id])
    if record is None:
        kept = visit.site.say("task.missing", id=task_id, kept=f"{visit.app.conf.result_expires:g}")
        raise Missing(kept)
    return record


def _related(visit: Visit, ids: list[str | None]) -> dict[str, Related]:
    wanted = [each for each in dict.fromkeys(ids) if each]
    records = visit.app.broker.get(wanted)
    return {
        each: Related(each, "", "UNKNOWN")
        if record is None
        else Related(each, record.message.name, record.outside, record.state.name.lower())
        for each, record in zip(wanted, records, strict=True)
    }


def _can(task: TaskFacts) -> tuple[str, ...]:
    """Say what can be done with a task as it is now."""
    if not task.ended:
        stop = ("stack", "stop") if task.inside == "running" else ()
        now = ("run-now",) if task.inside == "scheduled" else ()
        return (*now, *(() if task.cancelled else ("cancel",)), *stop)
    retry = ("retry",) if task.state == "FAILURE" and task.fence > 0 else ()
    again = ("again",) if not task.waits and not task.unreadable else ()
    return (*retry, *again, "delete")


# --- actions --------------------------------------------------------------------------------------------


def _page(visit: Visit) -> str:
    return f"/tasks/{visit.path['id']}"


def _told(visit: Visit, done: bool, key: str) -> Done:
    text = visit.site.say(f"task.{key}.done" if done else f"task.{key}.late", id=visit.path["id"])
    return Done(text, _page(visit), ok=done)


def cancel(visit: Visit) -> Done:
    """Cancel a task; one that runs goes on, and is not run again."""
    return _told(visit, visit.app.AsyncResult(visit.path["id"]).revoke(), "cancel")


def stop(visit: Visit) -> Done:
    """Cancel a task, and end it where it runs."""
    return _told(visit, visit.app.AsyncResult(visit.path["id"]).revoke(terminate=True), "stop")


def ask_stop(visit: Visit) -> Question:
    """Ask before what runs is ended."""
    say, task = visit.site.say, facts_of(_record(visit), visit.site.hiding)
    facts = (say("task.stop.fact", name=task.name, worker=task.worker or "–"), say("task.stop.undone"))
    return Question(say("task.stop.title", id=task.id), facts, say("task.stop"), _page(visit))


def stack(visit: Visit) -> Done:
    """Ask the worker where a task is; it answers with its next heartbeat, and writes it to the log."""
    try:
        found = visit.app.control.stack(visit.path["id"])
    except (NotRunning, WaitTimeout) as error:
        return Done(str(error), _page(visit), ok=False)
    visit.app.acted("stack", found.task)
    data = {"at": found.at, "text": found.text, "frames": found.frames}
    text = visit.site.say("task.stack.done", id=found.task)
    return Done(text, f"{_page(visit)}#stack", data=data)


def run_now(visit: Visit) -> Done:
    """Start what waits for its moment or its retry."""
    return _told(visit, visit.app.reschedule(visit.path["id"], countdown=0), "run-now")


def retry(visit: Visit) -> Done:
    """Queue a failed task again."""
    return _told(visit, visit.app.AsyncResult(visit.path["id"]).requeue(), "retry")


def delete(visit: Visit) -> Done:
    """Delete the record of a task that has ended."""
    done = visit.app.AsyncResult(visit.path["id"]).forget()
    told = _told(visit, done, "delete")
    return msgspec.structs.replace(told, to="/tasks") if done else told


def ask_delete(visit: Visit) -> Question:
    """Ask before a record is deleted."""
    say, task = visit.site.say, facts_of(_record(visit), visit.site.hiding)
    facts = (say("task.delete.fact", name=task.name), say("queue.purge.for_ever"))
    return Question(say("task.delete.title", id=task.id), facts, say("task.delete"), _page(visit))


def again(visit: Visit) -> Done:
    """Send the same call as a new task."""
    record = _record(visit)
    if not record.state.final:
        raise Refused(visit.site.say("task.again.late", id=record.id))
    message = copy_of(record.message, new_ids(1, visit.now)[0], visit.now)
    visit.app.publish([message])
    visit.app.acted("run again", record.id)
    text = visit.site.say("task.again.done", id=message.id)
    return Done(text, f"/tasks/{message.id}", data={"id": message.id})


def copy_of(message: Message, new_id: str, now: float) -> Message:
    """Return the same call as a new task: at once, without an end to its waiting, and part of nothing.

    Raises:
        Refused: it was given what others have returned, so it cannot be called without them.
    """
    options = decode_options(message.options)
    if message.after is not None or options.input is not None or options.failure_of is not None:
        raise Refused(
            f"task {message.id} was given what others have returned: run it again with them, or retry it"
        )
    bare = msgspec.structs.replace(
        options,
        root_id=None,
        parent_id=None,
        group_id=None,
        eta=None,
        expires=None,
        schedule=None,
        due=None,
    )
    return msgspec.structs.replace(
        message,
        id=new_id,
        created=now,
        eta=None,
        expires=None,
        unique=None,
        options=encode_options(bare),
    )


PAGES: Final = (Page("/tasks/{id}", "task.html", look, "tasks", every=0.5),)
ACTIONS: Final = (
    Action("/tasks/{id}/cancel", Role.OPERATOR, cancel),
    Action("/tasks/{id}/stop", Role.OPERATOR, stop, ask_stop),
    Action("/tasks/{id}/stack", Role.OPERATOR, stack),
    Action("/tasks/{id}/run-now", Role.OPERATOR, run_now),
    Action("/tasks/{id}/retry", Role.OPERATOR, retry),
    Action("/tasks/{id}/again", Role.OPERATOR, again),
    Action("/tasks/{id}/delete", Role.ADMIN, delete, ask_delete),
)
