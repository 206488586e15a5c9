"""Schedules: what comes when; run now, pause, resume, change, remove; try a rule before it is used."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import msgspec

from celeriac.beat.preview import Run, preview
from celeriac.beat.rules import Rule, rule_of
from celeriac.dashboard.roles import Role
from celeriac.dashboard.visit import Action, Done, Missing, Page, Question, Visit
from celeriac.errors import CeleriacError, InvalidMessage, UnknownSchedule
from celeriac.schedules import ScheduleInfo

RUNS: Final = 20
DAYS: Final = 40 * 366.0
MISSED: Final = ("once", "skip", "all")
OVERLAP: Final = ("allow", "skip", "queue")


class Coming(msgspec.Struct, frozen=True):
    """One run to come. *local* is the time on the clocks there; *note*: what a change of them does to it."""

    due: float
    local: str
    note: str


class ScheduleRow(msgspec.Struct, frozen=True):
    """A schedule. *app*: in whose code it stands; "" for one that was added at run time."""

    name: str
    rule: str
    explained: str
    timezone: str
    task: str
    next: float | None
    last: float | None
    ids: tuple[str, ...]
    runs: int
    missed: int
    overlapped: int
    paused: bool
    app: str


class SchedulesView(msgspec.Struct, frozen=True):
    """All schedules of the store."""

    schedules: list[ScheduleRow]


class Policy(msgspec.Struct, frozen=True):
    """How a schedule behaves, apart from its rule."""

    missed: str
    grace: float
    max_jitter: float
    overlap: str


class ScheduleView(msgspec.Struct, frozen=True):
    """One schedule. *last_state*: what became of what was sent last."""

    schedule: ScheduleRow
    coming: list[Coming]
    policy: Policy
    last: list[tuple[str, str]]
    missed_words: tuple[str, ...] = MISSED
    overlap_words: tuple[str, ...] = OVERLAP


class TryView(msgspec.Struct, frozen=True):
    """A rule that somebody tries: what it means, or why it is none."""

    rule: str
    timezone: str
    explained: str
    coming: list[Coming]
    wrong: str


def row_of(one: ScheduleInfo) -> ScheduleRow:
    """Make a row of what the store keeps."""
    return ScheduleRow(
        name=one.name,
        rule=one.rule,
        explained=one.explained,
        timezone=one.timezone,
        task=one.task,
        next=one.next.timestamp() if one.next else None,
        last=one.last.timestamp() if one.last else None,
        ids=one.ids,
        runs=one.runs,
        missed=one.missed,
        overlapped=one.overlapped,
        paused=one.paused,
        app=one.app,
    )


def look(visit: Visit) -> SchedulesView:
    """Look at all schedules."""
    return SchedulesView([row_of(one) for one in visit.app.schedules.list()])


def look_at_one(visit: Visit) -> ScheduleView:
    """Look at the schedule that the address names, and at what is coming of it."""
    name = visit.named(visit.query)
    schedules = visit.app.schedules
    try:
        one = schedules.get(name)
        entry, first = schedules.entry(name)
    except UnknownSchedule as error:
        raise Missing(str(error)) from error
    runs = [] if one.paused else _runs(entry.rule, first, visit.now)
    records = visit.app.broker.get(list(one.ids))
    last = [
        (each, "UNKNOWN" if record is None else record.outside)
        for each, record in zip(one.ids, records, strict=True)
    ]
    policy = Policy(entry.missed, entry.grace, entry.max_jitter, entry.overlap)
    return ScheduleView(row_of(one), runs, policy, last)


def look_at_rule(visit: Visit) -> TryView:
    """Say what a rule means that is not used yet."""
    text = visit.query.get("rule", "").strip()
    zone = visit.query.get("timezone", "").strip() or visit.app.conf.timezone
    if not text:
        return TryView("", zone, "", [], "")
    try:
        rule = rule_from(text, zone)
        return TryView(text, zone, rule.explain(), _runs(rule, rule.after(visit.now), visit.now), "")
    except CeleriacError as error:
        return TryView(text, zone, "", [], str(error))


def rule_from(text: str, zone: str) -> Rule:
    """Read a rule as it is typed into a form: cron text, or a number of seconds.

    Raises:
        ConfigurationError: it is neither.
    """
    try:
        return rule_of(float(text), zone)
    except ValueError:
        return rule_of(text, zone)


def _runs(rule: Rule, first: float | None, now: float) -> list[Coming]:
    return [_coming(run) for run in islice(preview(rule, first, now + DAYS * 86_400), RUNS)]


def _coming(run: Run) -> Coming:
    return Coming(run.due, run.local.strftime("%a %Y-%m-%d %H:%M:%S %Z"), run.note)


# --- actions --------------------------------------------------------------------------------------------


def _page(visit: Visit, name: str) -> str:
    return visit.url("/schedule", name=name).removeprefix(visit.root)


def _named(visit: Visit) -> str:
    name = visit.named(visit.form)
    try:
        visit.app.schedules.get(name)
    except UnknownSchedule as error:
        raise Missing(str(error)) from error
    return name


def run(visit: Visit) -> Done:
    """Send what a schedule sends, now."""
    name = _named(visit)
    sent = visit.app.schedules.run(name)
    return Done(
        visit.site.say("schedule.ran", name=name, id=sent.id), _page(visit, name), data={"id": sent.id}
    )


def pause(visit: Visit) -> Done:
    """Have nothing sent for a while."""
    name = _named(visit)
    was = visit.app.schedules.pause(name)
    key = "schedule.was_paused" if was else "schedule.is_paused"
    return Done(visit.site.say(key, name=name), _page(visit, name), data={"changed": was})


def resume(visit: Visit) -> Done:
    """Go on with the next due time."""
    name = _named(visit)
    was = visit.app.schedules.resume(name)
    key = "schedule.was_resumed" if was else "schedule.not_paused"
    return Done(visit.site.say(key, name=name), _page(visit, name), data={"changed": was})


def change(visit: Visit) -> Done:
    """Give a schedule another rule, another policy."""
    name, policy = _named(visit), _policy(visit)
    was = visit.app.schedules.get(name).timezone
    text, zone = (visit.form.get(field, "").strip() for field in ("rule", "timezone"))
    rule = rule_from(text, zone or was) if text else None
    if rule is None and zone and zone != was:
        policy["timezone"] = zone
    visit.app.schedules.change(name, rule, **policy)
    return Done(visit.site.say("schedule.changed", name=name), _page(visit, name))


def _policy(visit: Visit) -> dict[str, Any]:
    form = visit.form
    policy: dict[str, Any] = {key: form[key] for key in ("missed", "overlap") if form.get(key)}
    for key in ("grace", "max_jitter"):
        if form.get(key):
            policy[key] = _seconds(visit, form[key])
    return policy


def _seconds(visit: Visit, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidMessage(visit.site.say("schedule.number", given=repr(text)[:80])) from None


def remove(visit: Visit) -> Done:
    """Remove a schedule."""
    name = _named(visit)
    visit.app.schedules.remove(name)
    return Done(visit.site.say("schedule.removed", name=name), "/schedules")


def ask_remove(visit: Visit) -> Question:
    """Ask before a schedule is removed."""
    say, name = visit.site.say, _named(visit)
    facts = (say("schedule.remove.fact"), say("queue.purge.for_ever"))
    return Question(
        say("schedule.remove.title", name=name), facts, say("schedule.remove"), _page(visit, name)
    )


PAGES: Final = (
    Page("/schedules", "schedules.html", look, "schedules"),
    Page("/schedules/try", "try.html", look_at_rule, "schedules"),
    Page("/schedule", "schedule.html", look_at_one, "schedules"),
)
ACTIONS: Final = (
    Action("/schedule/run", Role.OPERATOR, run),
    Action("/schedule/pause", Role.OPERATOR, pause),
    Action("/schedule/resume", Role.OPERATOR, resume),
    Action("/schedule/change", Role.OPERATOR, change),
    Action("/schedule/remove", Role.ADMIN, remove, ask_remove),
)
