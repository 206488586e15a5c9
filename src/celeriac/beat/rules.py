"""When something is due: cron rules by the cronsim library, and intervals. Pure: no clock, no store.

What a change of the clocks does to a cron rule is as in Debian's cron, which cronsim follows
(https://github.com/cuu508/cronsim): a rule with a fixed minute and hour that falls into the gap is due at the
first moment after it, and in the hour that comes twice it is due once, the first time. Rules whose minute or
hour begins with `*` follow the time that passes: nothing in the gap, and both times in the hour that comes
twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cronsim import CronSim, CronSimError

from celeriac.errors import ConfigurationError

SHORTEST: Final = 0.1  # seconds between two moments of an interval
LONGEST: Final = 100 * 366 * 86_400.0

ALIASES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_RANGE: Final = re.compile(r"(\d+|[A-Z]{3})-(\d+|[A-Z]{3})(?:/(\d+))?")
_WORDS: Final = {
    "month": (
        *("JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE"),
        *("JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER"),
    ),
    "day of week": ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"),
}
_UNITS: Final = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
_ORDINAL: Final = re.compile(r"(?<!\d)([2-9]?[123])th\b")
_ENDINGS: Final = {"1": "st", "2": "nd", "3": "rd"}
_RANGES: Final = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day of month": (1, 31),
    "month": (1, 12),
    "day of week": (0, 6),
}


class Cron(msgspec.Struct, frozen=True, tag="cron", omit_defaults=True):
    """A cron rule of five fields in one time zone; made by `cron` or `crontab`.

    Attributes:
        text: minute, hour, day of month, month, day of week.
        timezone: the IANA name of the zone in which they are meant; "" until a schedule has it.
        both: whether a day has to fit day of month and day of week, as in Celery; in plain cron one is
            enough where neither begins with `*`.
    """

    text: str
    timezone: str = "UTC"
    both: bool = False

    def after(self, moment: float, start: float | None = None) -> float | None:  # noqa: ARG002
        """Return the first moment after *moment* at which it is due, in seconds since 1970, if ever."""
        zone = zone_of(self.timezone)
        if self.is_fixed:
            return self._after_fixed(moment, zone)
        return self._after_passing(moment, zone)

    @property
    def is_fixed(self) -> bool:
        """Whether it names times of the day, for which a change of the clocks is made up."""
        minute, hour, *_ = self.text.split()
        return not minute.startswith("*") and not hour.startswith("*")

    def _after_fixed(self, moment: float, zone: tzinfo) -> float | None:
        start = datetime.fromtimestamp(moment, zone)
        for found in self.times(start):
            if found.timestamp() > moment:  # where the hour comes twice it may have looked at the first one
                return found.timestamp()
        return None

    def _after_passing(self, moment: float, zone: tzinfo) -> float | None:
        """Look for the next time on a clock that is not changed, as far as the next change, and go on there.

        Where clocks change by half an hour, cronsim loses times when it goes on across the change itself.
        """
        start, offset = moment, _offset(moment, zone)
        while True:
            here = datetime.fromtimestamp(start + offset, UTC)
            found = next(self.times(here), None)
            due = None if found is None else found.timestamp() - offset
            change = _change_of_clocks(start, due, offset, zone)
            if change is None:
                return due
            start, offset = change - 1, _offset(change, zone)

    def times(self, start: datetime) -> Iterator[datetime]:
        """Iterate over the times after *start* that fit, on clocks such as those of *start*."""
        here = start
        while True:
            found = next(CronSim(self._times, here), None)
            if found is None:
                return
            if self._fits(found):
                yield found
                here = found
            elif found.year > start.year + 50:
                return
            else:
                here = found.replace(hour=23, minute=59, second=59)

    @property
    def _times(self) -> str:
        return self.text if not self.both else self.text.rpartition(" ")[0] + " *"

    def _fits(self, day: datetime) -> bool:
        return not self.both or _weekdays(self.text.rpartition(" ")[2]).match_dow(day.date())

    def __str__(self) -> str:
        """Show the fields, whether a day has to fit both of its fields, and the zone where it is not UTC."""
        both = ["both days"] if self._needs_both else []
        more = both + ([] if self.timezone in ("UTC", "") else [self.timezone])
        return f"{self.text} ({', '.join(more)})" if more else self.text

    @property
    def _needs_both(self) -> bool:
        """Whether plain cron would take a day that fits one of its two fields only."""
        *_, day, _, weekday = self.text.split()
        return self.both and not day.startswith("*") and not weekday.startswith("*")

    def explain(self) -> str:
        """Return the rule in English, mostly as cronsim says it."""
        text = CronSim(self.text, datetime(2000, 1, 1, tzinfo=UTC)).explain()
        text = _ORDINAL.sub(lambda found: found[1] + _ENDINGS[found[1][-1]], text)
        return text.replace(" and on ", " if it's on " if self._needs_both else " or on ")


class Interval(msgspec.Struct, frozen=True, tag="every"):
    """Every so many seconds, counted from when it was first seen; made by `every` or `schedule`."""

    seconds: float

    def after(self, moment: float, start: float | None = None) -> float | None:
        """Return the first moment after *moment* that is whole intervals away from *start*."""
        if start is None:
            return moment + self.seconds
        steps = max(0, int((moment - start) / self.seconds) - 1)
        while start + steps * self.seconds <= moment:
            steps += 1
        return start + steps * self.seconds

    def __str__(self) -> str:
        """Show it as `every 90 s`."""
        return f"every {self.seconds:.12g} s"

    def explain(self) -> str:
        """Return the rule in English: `Every hour`, `Every 1 day, 12 hours`."""
        rest, parts = round(self.seconds, 6), []
        for unit, size in _UNITS.items():
            count, rest = divmod(rest, size) if size > 1 else (round(rest, 6), 0.0)
            if count:
                parts.append((count, unit))
        if len(parts) == 1 and parts[0][0] == 1:
            return f"Every {parts[0][1]}"
        return "Every " + ", ".join(
            f"{count:.12g} {unit}{'' if count == 1 else 's'}" for count, unit in parts
        )


Rule = Cron | Interval


# --- making them ------------------------------------------------------------------------------------


def cron(text: str, *, timezone: str | None = None) -> Cron:
    """Make a rule of five cron fields, `*/5 8-18 * * mon-fri`, or of an alias such as `@daily`.

    Args:
        timezone: the IANA name of the zone in which they are meant, `Europe/Zurich`; None takes that of the
            schedule, else that of the application.

    Raises:
        ConfigurationError: it is no such rule, can never be due, or there is no such zone.
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"cron() takes a text of five fields, not {text!r:.80}")
    fields = ALIASES.get(text.strip().lower(), text).upper().split()
    if len(fields) == 6:
        raise ConfigurationError(
            f"{text!r} has six fields; cron has five, for seconds there is every(seconds=…)"
        )
    return _checked(Cron(" ".join(fields), timezone or ""), text)


def crontab(
    minute: Any = "*",
    hour: Any = "*",
    day_of_week: Any = "*",
    day_of_month: Any = "*",
    month_of_year: Any = "*",
    *,
    timezone: str | None = None,
) -> Cron:
    """Make a rule as Celery's `crontab` does: all five fields have to fit.

    Each is a number, a text as in cron (`*/15`, `8-18`, `mon,fri`), or several of both.

    Args:
        timezone: the IANA name of the zone in which they are meant; None takes that of the schedule, else
            that of the application.

    Raises:
        ConfigurationError: a field is wrong, the rule can never be due, or there is no such zone.
    """
    given = {
        "minute": minute,
        "hour": hour,
        "day of month": day_of_month,
        "month": month_of_year,
        "day of week": day_of_week,
    }
    text = " ".join(_field(name, value) for name, value in given.items())
    restricted = "*" not in (text.split(" ")[2], text.split(" ")[4])
    return _checked(Cron(text, timezone or "", both=restricted), text)


def every(
    interval: timedelta | float | None = None,
    *,
    seconds: float = 0.0,
    minutes: float = 0.0,
    hours: float = 0.0,
    days: float = 0.0,
    weeks: float = 0.0,
) -> Interval:
    """Make a rule that is due at fixed distances: `every(30)`, `every(minutes=5)`,
    `every(timedelta(days=1))`.

    The first time is one interval after the schedule was first seen. Later ones keep that rhythm, however
    long the work takes and whoever restarts.

    Raises:
        ConfigurationError: it is shorter than 0.1 s, longer than 100 years, or no number.
    """
    try:
        span = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days, weeks=weeks)
        more = interval if isinstance(interval, timedelta) else timedelta(seconds=interval or 0.0)
        total = (span + more).total_seconds()
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigurationError(f"every() takes a timedelta or numbers: {error}") from error
    if not SHORTEST <= total <= LONGEST:
        raise ConfigurationError(
            f"an interval must be from {SHORTEST} seconds to 100 years, not {total:g} seconds"
        )
    return Interval(total)


def schedule(run_every: timedelta | float, relative: bool = False) -> Interval:
    """Make an interval as Celery's `schedule` does.

    Args:
        relative: accepted; the rhythm is kept in any case.

    Raises:
        ConfigurationError: as `every`.
    """
    del relative
    return every(run_every)


def rule_of(given: Any, timezone: str) -> Rule:
    """Read what people write for a rule: a rule, cron text, a timedelta, or a number of seconds.

    Args:
        timezone: for cron rules that name none.

    Raises:
        ConfigurationError: it is none of these.
    """
    if isinstance(given, Cron):
        return (
            given
            if given.timezone
            else _checked(msgspec.structs.replace(given, timezone=timezone), given.text)
        )
    if isinstance(given, Interval):
        return given
    if isinstance(given, str):
        return cron(given, timezone=timezone)
    if isinstance(given, timedelta | int | float) and not isinstance(given, bool):
        return every(given)
    raise ConfigurationError(
        f"{given!r:.80} is no rule: write cron text, crontab(…), every(…), a timedelta, or a number of "
        f"seconds"
    )


def rule_in(given: Any, timezone: str | None, usual: str) -> Rule:
    """Read what people write for a rule, and for the zone in which they mean it.

    Args:
        timezone: that zone; None for *usual*, unless the rule itself names one.

    Raises:
        ConfigurationError: it is no rule, there is no such zone, the rule has no use for one, or another one.
    """
    rule = rule_of(given, timezone or usual)
    if timezone:
        zone_of(timezone)
        if isinstance(rule, Interval):
            raise ConfigurationError(
                f"an interval counts seconds, and is meant in no time zone: leave timezone={timezone!r} out, "
                f"or write a cron rule"
            )
        if rule.timezone != timezone:
            raise ConfigurationError(
                f"the rule {rule.text!r} names the time zone {rule.timezone!r} itself, and "
                f"timezone={timezone!r} contradicts it: name one of them"
            )
    return rule


def zone_of(name: str) -> tzinfo:
    """Return the time zone called *name*.

    Raises:
        ConfigurationError: there is none.
    """
    if name in ("UTC", ""):
        return UTC  # needs no table of zones, which small containers lack
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise ConfigurationError(
            f"there is no time zone called {name!r:.80} here; where the system has no table of zones, pip "
            f"install tzdata"
        ) from error


def _field(name: str, value: Any) -> str:
    parts = [value] if isinstance(value, str | int) or not isinstance(value, Iterable) else list(value)
    if not parts or not all(isinstance(part, str | int) and not isinstance(part, bool) for part in parts):
        raise ConfigurationError(
            f"the {name} of a crontab is a number, a text or several of them, not {value!r:.80}"
        )
    text = ",".join(str(part) for part in parts).replace(" ", "").upper()
    words = _WORDS.get(name, ())
    text = _WORD.sub(lambda found: _abbreviated(found[0], words), text)
    return ",".join(_around(term, name, words) for term in text.split(","))


def _abbreviated(word: str, words: Sequence[str]) -> str:
    """Write SUNDAY, or its beginning, as SUN; leave what is none of *words* to be refused."""
    return word[:3] if any(whole.startswith(word) for whole in words) else word


def _around(term: str, name: str, words: Sequence[str]) -> str:
    """Write a range that goes on past the end of its field, `22-3` or `sat-sun`, as a list."""
    found = _RANGE.fullmatch(term)
    if found is None:
        return term
    first, last = _RANGES[name]
    start, end = (_number(each, first, words) for each in found.group(1, 2))
    if name == "day of week" and start == 7 != end:
        start = 0  # both are Sunday
    step = int(found[3] or 1)
    if not (first <= end <= last and first <= start <= last and step):
        return term
    if start <= end:
        return term.replace("7", "0", 1) if found[1] == "7" and start == 0 else term
    return ",".join(map(str, [*range(start, last + 1), *range(first, end + 1)][::step]))


def _number(text: str, first: int, words: Sequence[str]) -> int:
    """Return which value of a field is meant; one that no field has for a word that is none."""
    if text.isdecimal():
        return int(text)
    return next((number for number, word in enumerate(words, first) if word.startswith(text)), -1)


@lru_cache(maxsize=256)
def _weekdays(field: str) -> CronSim:
    return CronSim(f"0 0 * * {field}", datetime(2000, 1, 1, tzinfo=UTC))


def _checked(rule: Cron, text: str) -> Cron:
    zone_of(rule.timezone)
    try:
        CronSim(rule.text, datetime(2000, 1, 1, tzinfo=UTC))
        due = rule.after(946_684_800.0)
    except (CronSimError, ValueError, LookupError, RecursionError) as error:
        raise ConfigurationError(f"{text!r:.80} is no cron rule: {error!s:.200}") from error
    if due is None:
        raise ConfigurationError(f"{text!r:.80} would never be due")
    return rule


@lru_cache(maxsize=1024)
def check_rule(rule: Rule) -> None:
    """Return if *rule*, which was read from a store, is one that could have been made here.

    Raises:
        ConfigurationError: it is not: it would be due never, or without end.
    """
    if isinstance(rule, Interval):
        every(rule.seconds)
    else:
        _checked(rule, rule.text)


# --- changes of the clocks --------------------------------------------------------------------------


def _offset(moment: float, zone: tzinfo) -> float:
    """Return by how many seconds the clocks of *zone* are ahead of UTC."""
    return (datetime.fromtimestamp(moment, zone).utcoffset() or timedelta()).total_seconds()


def _change_of_clocks(start: float, end: float | None, offset: float, zone: tzinfo) -> float | None:
    """Return when the clocks of *zone*, which are ahead by *offset* after *start*, change before *end*.

    Two changes within one day are taken for none.
    """
    if zone is UTC or end is None:
        return None
    low = start
    while low < end:
        high = min(low + 86_400.0, end)
        if _offset(high, zone) != offset:
            return _halved(int(low), int(high), offset, zone)
        low = high
    return None


def _halved(low: int, high: int, offset: float, zone: tzinfo) -> float:
    """Return the first second after *low*, up to *high*, in which clocks are not ahead by *offset*."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle, zone) == offset else (low, middle)
    return float(high)


# --- looking around ---------------------------------------------------------------------------------


def passed(rule: Rule, due: float, now: float, most: int) -> list[float]:
    """Return the moments from *due*, which is one, until *now*: the newest ones, *most* or more of them."""
    span = 60.0
    while True:
        start = max(due, now - span)
        found = [due] if start == due else []
        for moment in _from(rule, start, due):
            if moment > now:
                break
            found.append(moment)
        if start == due or len(found) >= most:
            return found
        span *= 2


def _from(rule: Rule, moment: float, start: float) -> Iterator[float]:
    found = rule.after(moment, start)
    while found is not None:
        yield found
        found = rule.after(found, start)
