"""What runs on time: rules for people to write, and `app.schedules`, which keeps schedules in the store.

`from celeriac.schedules import crontab, every` is all that most applications need.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from celeriac.beat import ticker
from celeriac.beat.entry import (
    GRACE,
    LONGEST_GRACE,
    LONGEST_JITTER,
    Entry,
    Missed,
    Overlap,
    check_jitter,
    check_schedule_name,
    decode_entry,
    decode_memory,
    due_of,
    encode,
    messages_of,
    names_in,
    pattern_of,
)
from celeriac.beat.preview import Run, preview
from celeriac.beat.rules import Cron, Rule, cron, crontab, every, rule_in, schedule
from celeriac.broker import Schedule, ScheduleChange
from celeriac.canvas.plan import as_one
from celeriac.canvas.signature import Signature, signature
from celeriac.clock import as_datetime
from celeriac.errors import (
    ConfigurationError,
    InvalidMessage,
    NotRegistered,
    OperationalError,
    UnknownSchedule,
)
from celeriac.message import Message, check_task_name, new_ids
from celeriac.result import AsyncResult

__all__ = ["ScheduleInfo", "Schedules", "cron", "crontab", "every", "schedule"]

_log: Final = logging.getLogger("celeriac.beat")

_IN_SETTINGS: Final = frozenset({"task", "schedule", "args", "kwargs", "options", "relative"})
_LATER: Final = 86_400.0  # seconds between two tries of one call, which show what in it stays
FURTHEST: Final = 36_600  # days, for which a preview looks
POLICIES: Final = frozenset({"timezone", "missed", "grace", "max_jitter", "overlap"})


class ScheduleInfo(NamedTuple):
    """A schedule as it is now.

    Attributes:
        rule: as it was written; `explained` in English. timezone: in which it is meant.
        task: what it calls.
        next: the next due time; None while it is paused, and when there is none any more.
        last: the due time that was sent for last. ids: of the tasks that were sent then.
        runs: how many due times were sent for. missed: how many passed while nobody was there.
        overlapped: how many were dropped because the run before was not over.
        app: in whose code it stands; "" for one that was added at run time.
    """

    name: str
    rule: str
    explained: str
    timezone: str
    task: str
    next: datetime | None
    last: datetime | None
    ids: tuple[str, ...]
    runs: int
    missed: int
    overlapped: int
    paused: bool
    app: str


class Coming(NamedTuple):
    """What is coming of a schedule.

    Attributes:
        runs: when, earliest first; see `beat.preview.Run`. is_cut: whether there are more than were asked
            for.
    """

    name: str
    rule: str
    runs: list[Run]
    paused: bool
    is_cut: bool


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a schedule behaves, apart from its rule; `Schedules.add` describes it."""

    timezone: str | None = None
    missed: Missed = "once"
    grace: float = GRACE
    max_jitter: float = 0.0
    overlap: Overlap = "allow"


class Schedules:
    """The schedules of an application; `app.schedules`.

    Those in code (`beat_schedule`, `add_periodic_task`, `@app.periodic`) come to the store when a worker or
    beat starts. What is added here comes at once, and stays until it is removed.

    Args:
        app: the application.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._in_code: dict[str, Callable[[], Entry]] = {}

    # --- at run time --------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        rule: Any,
        task: Any,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        **policy: Any,
    ) -> ScheduleInfo:
        """Add a schedule; durable, and seen by all that tend schedules.

        Args:
            rule: cron text, `crontab(…)`, `every(…)`, a timedelta, or a number of seconds.
            task: a task, its name, or a signature: a chain, group or chord too.
            options: of the call, as `Task.apply_async` has them.
            timezone: IANA name of the zone in which a cron rule is meant, if it names none itself; None takes
                the setting `timezone`.
            missed: what becomes of due times that passed while nobody was there: "once" runs the newest if
                no newer one is merely late, "skip" none of them, "all" each of them, the newest 100.
            grace: seconds (30) for which a due time is merely late: it is run in any case.
            max_jitter: seconds (0); the task starts up to so many later, by chance.
            overlap: while the run before is not over: "allow" another one, "skip" it, or "queue" one until
                then.

        Raises:
            ConfigurationError: the rule or a policy is wrong, or there is another schedule of this name.
            InvalidName, InvalidMessage: the name or the call is wrong.
        """
        entry = encode(self._entry(name, rule, self._signature(name, task, args, kwargs, options), policy))
        while True:
            old = self._find(name)
            if old is not None and old.entry != entry:
                raise ConfigurationError(
                    f"there is a schedule {name!r} already: replace it, or remove it first"
                )
            if old is not None or self._advance(ticker.put(name, None, entry, self._now())):
                self._app.acted("schedule add", name)
                return self.get(name)

    def replace(
        self,
        name: str,
        rule: Any,
        task: Any,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        **policy: Any,
    ) -> ScheduleInfo:
        """Do as `add`, in place of a schedule of this name if there is one; a paused one stays paused.

        Raises:
            ConfigurationError: as `add`; or the one that there is stands in code.
        """
        entry = encode(self._entry(name, rule, self._signature(name, task, args, kwargs, options), policy))
        while True:
            old = self._find(name)
            if old is not None:
                self._refuse_code(old, "replaced")
            if self._advance(ticker.put(name, old, entry, self._now())):
                self._app.acted("schedule replace", name)
                return self.get(name)

    def change(self, name: str, rule: Any = None, **policy: Any) -> ScheduleInfo:
        """Give a schedule of the store another rule or policy; what it calls stays, and a paused one stays
        paused.

        A rule that stays keeps its rhythm, another one begins anew. A run that waits goes on waiting.

        Args:
            rule: as `add` has it; None leaves it as it is.
            policy: as `add` has it; what is not named stays, the time zone too.

        Raises:
            UnknownSchedule: there is none.
            ConfigurationError: the rule or a policy is wrong; or it stands in code.
        """

        def changed(old: Schedule) -> ScheduleChange:
            self._refuse_code(old, "changed")
            entry = decode_entry(old.entry, name)
            kept = {key: getattr(entry, key) for key in ("missed", "grace", "max_jitter", "overlap")}
            zone = entry.rule.timezone if isinstance(entry.rule, Cron) else None
            given = _without_zone(entry.rule) if rule is None else rule
            made, checked = self._checked(name, given, {**kept, **policy}, usual=zone)
            new = replace(
                entry,
                rule=made,
                missed=checked.missed,
                grace=checked.grace,
                max_jitter=checked.max_jitter,
                overlap=checked.overlap,
            )
            with _errors_of(f"the schedule {name!r}"):
                check_jitter(new)
            return ticker.changed(old, new, self._now())

        self._change(name, changed)
        return self.get(name)

    def remove(self, name: str) -> None:
        """Remove a schedule; what it has sent goes on.

        Raises:
            UnknownSchedule: there is none. ConfigurationError: it stands in code.
        """

        def gone(old: Schedule) -> ScheduleChange:
            self._refuse_code(old, "removed")
            return ScheduleChange(name, old.token, None)

        self._change(name, gone)
        self._app.acted("schedule remove", name)

    def pause(self, name: str) -> bool:
        """Have nothing sent until it is resumed; False if it was paused already.

        Raises:
            UnknownSchedule: there is none.
        """
        done = self._set_paused(name, True)
        self._app.acted("schedule pause", name, int(done))
        return done

    def resume(self, name: str) -> bool:
        """Go on with the next due time from now; False if it was not paused.

        Raises:
            UnknownSchedule: there is none.
        """
        done = self._set_paused(name, False)
        self._app.acted("schedule resume", name, int(done))
        return done

    def run(self, name: str) -> AsyncResult[Any]:
        """Send what a schedule sends now, once more; its due times stay as they are.

        Returns:
            The task with whose end the run is over.

        Raises:
            UnknownSchedule: there is none.
        """
        ran: list[str] = []

        def sent(old: Schedule) -> ScheduleChange:
            now = self._now()
            entry, memory = decode_entry(old.entry, name), decode_memory(old.memory, name)
            ids = new_ids(len(names_in(entry.messages)), now)
            ours = self._app.clock.now()
            messages = messages_of(entry, name, now, ours, 0.0, ids)
            memory = ticker.remembered(replace(memory, runs=memory.runs + 1), entry, now, now, messages)
            ran[:] = [memory.end]
            new = replace(old, memory=encode(memory), token=new_ids(1, now)[0])
            return ScheduleChange(name, old.token, new, tuple(messages))

        self._change(name, sent)
        self._app.acted("schedule run", name)
        return AsyncResult(ran[0], self._app)

    # --- questions ----------------------------------------------------------------------------------

    def list(self) -> list[ScheduleInfo]:
        """Return all schedules of the store, by name."""
        return [self._info(kept) for kept in self._app.broker.schedules()]

    def get(self, name: str) -> ScheduleInfo:
        """Return a schedule of the store.

        Raises:
            UnknownSchedule: there is none.
        """
        return self._info(self._known(name))

    def entry(self, name: str) -> tuple[Entry, float | None]:
        """Return what a schedule of the store does, and its next due time.

        Raises:
            UnknownSchedule: there is none.
        """
        kept = self._known(name)
        return decode_entry(kept.entry, name), decode_memory(kept.memory, name).next

    def __iter__(self) -> Iterator[ScheduleInfo]:
        """Iterate over all schedules of the store, by name."""
        return iter(self.list())

    def preview(self, *, days: float = 7.0, most: int = 100) -> Sequence[Coming]:
        """Return what is coming within so many days: for schedules in code, and for those in the store.

        What stands in code and is not in the store yet counts as if it began now.

        Args:
            days: from 0 to 36,600, a hundred years. most: runs of each schedule.

        Raises:
            ConfigurationError: that is no such number of days.
        """
        if not 0 <= days <= FURTHEST:
            raise ConfigurationError(f"a preview is of 0 to {FURTHEST:,} days, not of {days!r:.80}")
        now = self._now()
        kept = {one.name: one for one in self._app.broker.schedules()}
        found = [
            self._coming(one, decode_entry(one.entry, one.name), now, days, most) for one in kept.values()
        ]
        for name, entry in self.defined().items():
            if name not in kept or decode_entry(kept[name].entry, name) != entry:
                new = Schedule(name, b"", paused=name in kept and kept[name].paused)
                found = [one for one in found if one.name != name]
                found.append(self._coming(new, entry, now, days, most))
        return sorted(found, key=lambda one: one.name)

    @staticmethod
    def _coming(kept: Schedule, entry: Entry, now: float, days: float, most: int) -> Coming:
        first = decode_memory(kept.memory, kept.name).next if kept.memory else entry.rule.after(now)
        runs = [] if kept.paused else [*islice(preview(entry.rule, first, now + days * 86_400), most + 1)]
        return Coming(kept.name, str(entry.rule), runs[:most], kept.paused, len(runs) > most)

    # --- in code ------------------------------------------------------------------------------------

    def define(self, name: str, rule: Any, sig: Signature, policy: Mapping[str, Any]) -> None:
        """Note a schedule that stands in code; it comes to the store with `declare`.

        Raises:
            ConfigurationError: the rule or a policy is wrong, or the name is taken.
        """
        check_schedule_name(name)
        if name in self._in_code:
            raise ConfigurationError(f"two schedules in the code of {self._app.main} are called {name!r}")
        checked = self._checked(name, rule, policy)
        self._in_code[name] = lambda: self._entry_of(name, sig, *checked, app=self._app.main)

    def is_defined(self, name: str) -> bool:
        """Say whether a schedule of this name stands in code."""
        return name in self._in_code

    def defined(self) -> dict[str, Entry]:
        """Return the schedules that stand in code, those of the setting `beat_schedule` too.

        Raises:
            ConfigurationError, InvalidMessage: one of them is wrong; the error names it.
        """
        entries = {name: make() for name, make in self._in_code.items()}
        for name, given in self._app.conf.beat_schedule.items():
            if name in entries:
                raise ConfigurationError(f"two schedules in the code of {self._app.main} are called {name!r}")
            entries[name] = self._of_setting(name, given)
        return entries

    def declare(self) -> None:
        """Bring the schedules that stand in code to the store, and remove those of earlier code.

        What did not change goes on as it was. Workers and beat do this when they start.

        Raises:
            ConfigurationError, InvalidMessage: one of them is wrong.
        """
        entries = {name: encode(entry) for name, entry in self.defined().items()}
        ticker.declare(self._app.broker, self._app.main, entries, self._now())

    def _of_setting(self, name: str, given: Any) -> Entry:
        if not isinstance(given, Mapping) or not {"task", "schedule"} <= given.keys():
            raise ConfigurationError(
                f"beat_schedule[{name!r}] must be a dictionary with 'task' and 'schedule'"
            )
        if unknown := given.keys() - _IN_SETTINGS - POLICIES:
            raise ConfigurationError(
                f"beat_schedule[{name!r}] has {sorted(unknown)}; it knows {sorted(_IN_SETTINGS | POLICIES)}"
            )
        sig = self._signature(
            name, given["task"], given.get("args") or (), given.get("kwargs"), given.get("options")
        )
        policy = {key: given[key] for key in POLICIES & given.keys()}
        return self._entry(name, given["schedule"], sig, policy, app=self._app.main)

    # --- parts --------------------------------------------------------------------------------------

    def _now(self) -> float:
        return float(self._app.clock.now() + self._app.broker.ahead)

    def _signature(self, name: str, task: Any, args: Any, kwargs: Any, options: Any) -> Signature:
        sig = call_of(self._app, name, task, args, kwargs, options)
        if isinstance(task, str) and task not in self._app.tasks:
            _log.warning("schedule calls an unknown task", extra={"task": task, "app": self._app.main})
            sig.set(remote=True)  # it may be known elsewhere, as with `send_task`
        return sig

    def _entry(self, name: str, rule: Any, sig: Signature, policy: Mapping[str, Any], app: str = "") -> Entry:
        check_schedule_name(name)
        return self._entry_of(name, sig, *self._checked(name, rule, policy), app=app)

    def _checked(
        self, name: str, rule: Any, policy: Mapping[str, Any], *, usual: str | None = None
    ) -> tuple[Rule, Policy]:
        try:
            checked = msgspec.convert(dict(policy), Policy)
            made = rule_in(rule, checked.timezone, usual or self._app.conf.timezone)
        except (msgspec.ValidationError, ConfigurationError) as error:
            raise ConfigurationError(f"the schedule {name!r}: {error}") from error
        if not (0 <= checked.grace <= LONGEST_GRACE and 0 <= checked.max_jitter <= LONGEST_JITTER):
            raise ConfigurationError(
                f"the schedule {name!r}: grace is a number of seconds from 0 to {LONGEST_GRACE:,.0f}, "
                f"max_jitter one from 0 to {LONGEST_JITTER:,.0f}"
            )
        return made, checked

    def _entry_of(self, name: str, sig: Signature, rule: Rule, policy: Policy, *, app: str) -> Entry:
        sig = sig.of(self._app)
        now = self._app.clock.now()
        with _errors_of(f"the schedule {name!r}"):
            messages, end = as_one(self._app, sig, now)
            _refuse_fixed(messages, as_one(self._app, sig, now + _LATER)[0])
            made = Entry(
                rule=rule,
                task=sig.task if sig.shape is None else repr(sig)[:200],
                messages=pattern_of(messages, now),
                end=str(names_in(messages).index(end)),
                missed=policy.missed,
                grace=policy.grace,
                max_jitter=policy.max_jitter,
                overlap=policy.overlap,
                app=app,
            )
            check_jitter(made)
        return made

    def _find(self, name: str) -> Schedule | None:
        return next(iter(self._app.broker.schedules([check_schedule_name(name)])), None)

    def _known(self, name: str) -> Schedule:
        kept = self._find(name)
        if kept is None:
            raise UnknownSchedule(f"there is no schedule {name!r}")
        return kept

    def _refuse_code(self, kept: Schedule, done: str) -> None:
        app = ticker.app_of(kept)  # nobody's, if it cannot be read: so it can be got rid of
        if app:
            raise ConfigurationError(
                f"the schedule {kept.name!r} stands in the code of {app}: it is {done} there, here it can "
                f"be paused"
            )

    def _advance(self, change: ScheduleChange) -> bool:
        return bool(self._app.broker.advance([change], self._app.clock.now())[0])

    def _change(self, name: str, change: Callable[[Schedule], ScheduleChange]) -> None:
        for _ in range(100):
            if self._advance(change(self._known(name))):
                return
        raise OperationalError(f"the schedule {name!r} was changed by others again and again; try later")

    def _set_paused(self, name: str, paused: bool) -> bool:
        was: list[bool] = []

        def changed(old: Schedule) -> ScheduleChange:
            was[:] = [old.paused]
            now = self._now()
            entry, memory = decode_entry(old.entry, name), decode_memory(old.memory, name)
            if not paused:
                memory = replace(memory, next=entry.rule.after(now, memory.next))
            due = due_of(memory, now)
            new = replace(old, paused=paused, due=due, memory=encode(memory), token=new_ids(1, now)[0])
            return ScheduleChange(name, old.token, old if old.paused is paused else new)

        self._change(name, changed)
        return was[0] is not paused

    def _info(self, kept: Schedule) -> ScheduleInfo:
        entry, memory = decode_entry(kept.entry, kept.name), decode_memory(kept.memory, kept.name)
        rule = entry.rule
        return ScheduleInfo(
            name=kept.name,
            rule=str(rule),
            explained=rule.explain(),
            timezone=getattr(rule, "timezone", "UTC"),
            task=entry.task,
            next=None if kept.paused else _moment(memory.next),
            last=_moment(memory.due),
            ids=memory.ids,
            runs=memory.runs,
            missed=memory.missed,
            overlapped=memory.overlapped,
            paused=kept.paused,
            app=entry.app,
        )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else as_datetime(seconds)


def _without_zone(rule: Rule) -> Rule:
    return replace(rule, timezone="") if isinstance(rule, Cron) else rule


def _refuse_fixed(messages: Sequence[Message], later: Sequence[Message]) -> None:
    """Return if nothing in *messages* is good for one sending only.

    A moment that stays has another distance at each start, so that the schedule would look like a new one and
    begin anew.

    Args:
        later: the same call, made a while later.

    Raises:
        ConfigurationError: a time or an id stays.
    """
    if kept := set(names_in(messages)) & set(names_in(later)):
        raise ConfigurationError(f"the task_id {min(kept)!r} is good for one sending only; leave it out")
    for one, again in zip(messages, later, strict=True):
        for option, relative in (("eta", "countdown=SECONDS"), ("expires", "expires=SECONDS")):
            moment = getattr(one, option)
            if moment is not None and moment == getattr(again, option):
                raise ConfigurationError(
                    f"{one.name} has an {option} that is a fixed moment, and is sent again and again; give "
                    f"it {relative} instead, which count from each sending"
                )


@contextmanager
def _errors_of(what: str) -> Iterator[None]:
    """Put *what*, which says what the errors in here are about, before each of them."""
    try:
        yield
    except (ConfigurationError, InvalidMessage) as error:
        raise type(error)(f"{what}: {error}") from error
    except (NotRegistered, TypeError, ValueError) as error:
        raise ConfigurationError(f"{what}: {error}") from error


def call_of(app: Any, name: str | None, task: Any, args: Any, kwargs: Any, options: Any) -> Signature:
    """Return the call that the schedule *name* makes; None for one that has no name yet.

    Raises:
        ConfigurationError, InvalidMessage: it is none; the error names the schedule.
    """
    with _errors_of("a schedule without a name" if name is None else f"the schedule {name!r}"):
        if not (isinstance(task, dict | str) or isinstance(getattr(task, "name", None), str)):
            raise ConfigurationError(f"it calls a task, the name of one, or a signature, not {task!r:.80}")
        if isinstance(args, str | bytes | Mapping) or not isinstance(args, Iterable):
            raise ConfigurationError(f"args is a list or tuple of arguments, not {args!r:.80}")
        if not all(given is None or isinstance(given, Mapping) for given in (kwargs, options)):
            raise ConfigurationError(
                f"kwargs and options are dictionaries, not {kwargs!r:.80}, {options!r:.80}"
            )
        if isinstance(task, str):
            check_task_name(task)
        return signature(task, app=app).clone(args, kwargs, **(options or {}))


def name_of(given: str | None, called: object, rule: Any) -> str:
    """Return the name of a schedule for which none was given: what is *called*, and when."""
    if given:
        return given
    return f"{_shortened(str(called), 120)} {_shortened(' '.join(str(rule).split()), 60)}"


def _shortened(text: str, most: int) -> str:
    """Return *text*, or its beginning with a mark that only this text has, so that two long ones differ."""
    if len(text) <= most:
        return text
    mark = f"…{sha256(text.encode()).hexdigest()[:8]}"
    return text[: most - len(mark)].rstrip() + mark
