"""What has failed for good, in groups of the same kind; run again or dropped: one, a group, or all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from celeriac.dashboard.facts import TaskFacts, facts_of, fingerprint
from celeriac.dashboard.roles import Role
from celeriac.dashboard.visit import Action, Done, Page, Question, Unclear, Visit
from celeriac.dead import Acted, DeadTask

LOOKED_AT: Final = 2_000  # of the newest failures, for one page
A_PAGE: Final = 50
MOST_GROUPS: Final = 200
ALL: Final = "all"
INSTANT: Final = 0.001  # seconds: what has failed at this very moment is meant, too


class FailedRow(msgspec.Struct, frozen=True):
    """A failed task in a list. *can_retry*: whether it has run, so that it can be run again."""

    id: str
    name: str
    queue: str
    call: str
    failed: float
    kind: str
    message: str
    can_retry: bool


class Group(msgspec.Struct):
    """Failures of the same kind: of one task, by one type of error, raised at one place."""

    key: str
    name: str
    type: str
    kind: str
    own: str
    message: str
    last: float
    first: float
    example: str
    count: int = 0
    can_retry: int = 0


class DeadView(msgspec.Struct, frozen=True):
    """The groups, the largest first.

    Attributes:
        searched: how many failures were looked at. more: whether there are older ones.
        now: what fails later is not meant by the buttons of this page.
    """

    groups: list[Group]
    searched: int
    more: bool
    now: float


class GroupView(msgspec.Struct, frozen=True):
    """One group, and its newest tasks; *more* says that there may be others."""

    group: Group | None
    tasks: list[FailedRow]
    searched: int
    more: bool
    now: float


def look(visit: Visit) -> DeadView:
    """Look at the newest failures, and put together what is of the same kind."""
    return visit.site.remembered.of("failures", lambda: _look(visit))


def _look(visit: Visit) -> DeadView:
    found = visit.app.dead.find()
    groups: dict[str, Group] = {}
    searched = 0
    for dead in islice(found, LOOKED_AT):
        searched += 1
        counted(groups, dead, visit)
    ordered = sorted(groups.values(), key=lambda group: (-group.count, group.name, group.type, group.own))
    return DeadView(ordered[:MOST_GROUPS], searched, next(found, None) is not None, visit.now)


def look_at_group(visit: Visit) -> GroupView:
    """Look at the tasks of the group that the address names."""
    key = visit.named(visit.query, "key")
    found = visit.app.dead.find()
    groups: dict[str, Group] = {}
    rows: list[FailedRow] = []
    searched = 0
    for dead in islice(found, LOOKED_AT):
        searched += 1
        if key_of(dead, visit) == key:
            facts = counted(groups, dead, visit)
            if len(rows) < A_PAGE:
                rows.append(_row(dead, facts))
    more = next(found, None) is not None
    return GroupView(groups.get(key), rows, searched, more, visit.now)


def counted(groups: dict[str, Group], dead: DeadTask, visit: Visit) -> TaskFacts:
    """Count a failure in its group."""
    facts = facts_of(dead.record, visit.site.hiding)
    name, kind, own = fingerprint(facts)
    failed = dead.record.finished or 0.0
    key = _digest((name, kind, own))
    message = facts.error.message if facts.error else ""
    made = Group(key, name, kind, kind.rpartition(".")[2], own, message[:500], failed, failed, dead.id)
    group = groups.setdefault(key, made)
    group.count += 1
    group.can_retry += dead.can_be_requeued
    group.first = failed
    return facts


def key_of(dead: DeadTask, visit: Visit) -> str:
    """Return what the group of a failure is called in addresses."""
    return _digest(fingerprint(facts_of(dead.record, visit.site.hiding)))


def _digest(parts: tuple[str, str, str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:16]


def _row(dead: DeadTask, facts: TaskFacts) -> FailedRow:
    error = facts.error
    return FailedRow(
        id=dead.id,
        name=facts.name,
        queue=facts.queue,
        call=facts.call,
        failed=dead.record.finished or 0.0,
        kind=error.kind if error else "",
        message=error.message[:500] if error else "",
        can_retry=dead.can_be_requeued,
    )


# --- actions --------------------------------------------------------------------------------------------


def _chosen(visit: Visit) -> dict[str, Any] | Iterator[str]:
    """Return which failures a form means: by filter, or one id after the other.

    Raises:
        Unclear: it does not say.
    """
    form = visit.form
    if ids := form.get("id", ""):
        return iter(ids.split("\n"))
    until = latest(visit)
    if form.get("group") == ALL:
        return {"until": until}
    if key := form.get("group", ""):
        found = visit.app.dead.find(until=until)
        return (dead.id for dead in found if key_of(dead, visit) == key)
    raise Unclear(visit.site.say("dead.which"))


def latest(visit: Visit) -> float:
    """Return before which moment those that a form means have failed, or were sent: at the latest now."""
    now = visit.now + INSTANT
    try:
        return min(float(visit.form.get("until") or now), now)
    except ValueError:
        return now


def _act(visit: Visit, verb: str, *, dry_run: bool) -> Acted:
    act = visit.app.dead.requeue if verb == "requeue" else visit.app.dead.drop
    chosen = _chosen(visit)
    if isinstance(chosen, dict):
        return act(dry_run=dry_run, **chosen)
    return act(_some(chosen), dry_run=dry_run)


def _some(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(each.strip() for each in ids if each.strip()))


def _asked(visit: Visit, verb: str) -> Question | None:
    """Say what would be done. One task is run again without a question."""
    if verb == "requeue" and "id" in visit.form and "\n" not in visit.form["id"]:
        return None
    say, would = visit.site.say, _act(visit, verb, dry_run=True)
    facts = [say(f"dead.{verb}.would", n=f"{would.done:,}")]
    if would.left:
        facts.append(say(f"dead.{verb}.left", n=f"{would.left:,}"))
    if verb == "drop":
        facts.append(say("queue.purge.for_ever"))
    typed = f"{would.done}" if verb == "drop" and would.done > TYPED_ABOVE else ""
    return Question(
        say(f"dead.{verb}.title", n=f"{would.done:,}"),
        tuple(facts),
        say(f"dead.{verb}"),
        "/dead",
        typed,
        harmless=verb == "requeue",
    )


TYPED_ABOVE: Final = 100


def ask_requeue(visit: Visit) -> Question | None:
    """Ask before many are run again."""
    return _asked(visit, "requeue")


def ask_drop(visit: Visit) -> Question | None:
    """Ask before any is dropped."""
    return _asked(visit, "drop")


def requeue(visit: Visit) -> Done:
    """Run failures again."""
    return _told(visit, "requeue")


def drop(visit: Visit) -> Done:
    """Drop failures."""
    return _told(visit, "drop")


def _told(visit: Visit, verb: str) -> Done:
    """Do it; with the field `dry_run`, programs are only told what would be done."""
    dry_run = visit.form.get("dry_run") == "yes"
    acted, say = _act(visit, verb, dry_run=dry_run), visit.site.say
    text = say(f"dead.{verb}.would" if dry_run else f"dead.{verb}.done", n=f"{acted.done:,}")
    if acted.left:
        text += " " + say(f"dead.{verb}.left", n=f"{acted.left:,}")
    data: dict[str, Any] = {"done": acted.done, "left": acted.left, "dry_run": dry_run}
    data |= {"ids": acted.ids, "left_ids": acted.left_ids}
    return Done(text, "/dead", ok=acted.done > 0 or dry_run, data=data)


PAGES: Final = (
    Page("/dead", "dead.html", look, "dead", every=2.0),
    Page("/dead/group", "group.html", look_at_group, "dead", every=2.0),
)
ACTIONS: Final = (
    Action("/dead/requeue", Role.OPERATOR, requeue, ask_requeue),
    Action("/dead/drop", Role.ADMIN, drop, ask_drop),
)
