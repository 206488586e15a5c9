"""From what a person types to a `Filter`; says where and why it cannot be read. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple, NoReturn

from celeriac.errors import InvalidFilter
from celeriac.filters import FIELDS, INSIDE, OUTSIDE, Filter, Sign, Term

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_SPAN: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_SIGN: Final = re.compile(r">=|<=|>|<|=|")
_FIELD: Final = re.compile(r"[A-Za-z_]\w*(?:\.[^\s:\"|]+)?(?=:)")
_PLAIN: Final = re.compile(r"[^\s\"|]+")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")  # what a command line makes of bytes that are no text
_STATES: Final = (
    "one of queued, scheduled, waiting, running, succeeded, failed, cancelled, or SUCCESS, FAILURE, "
    "REVOKED, PENDING, RETRY, STARTED, PROGRESS"
)
LONGEST: Final = 4_000  # characters of a filter
MOST_TERMS: Final = 50


def parse(text: str, now: float) -> Filter:
    """Read a filter.

    Args:
        text: terms such as `state:failed`, with spaces between; "" for all tasks.
        now: seconds since 1970 UTC, from which `since:2h` counts.

    Raises:
        InvalidFilter: it cannot be read; the error knows where, and what was expected.
    """
    if len(text) > LONGEST:
        raise InvalidFilter(text[:80], 0, f"at most {LONGEST:,} characters, not {len(text):,}")
    if (half := _SURROGATE.search(text)) is not None:
        raise InvalidFilter(text, half.start(), "text in UTF-8")
    terms = tuple(_Reader(text, now).terms())
    if len(terms) > MOST_TERMS:
        raise InvalidFilter(text, 0, f"at most {MOST_TERMS} terms, not {len(terms)}")
    return Filter(terms, now)


class Value(NamedTuple):
    """One of the values behind a colon, and where it stands."""

    text: str
    at: int


class _Reader:
    """Goes through a text from left to right."""

    def __init__(self, text: str, now: float) -> None:
        self.text, self.now, self.at = text, now, 0

    def terms(self) -> Iterator[Term]:
        self._skip_spaces()
        while self.at < len(self.text):
            yield self._term()
            self._skip_spaces()

    def _term(self) -> Term:
        negated = self._take("-")
        begin = self.at
        found = _FIELD.match(self.text, self.at)
        if found is None:
            quoted = self.text.startswith('"', self.at)
            word = self._value("a field such as state:, or a word")
            if ":" in word.text and not quoted:
                self._check_field(word.text.partition(":")[0], "", begin)
            if self.at < len(self.text) and not self.text[self.at].isspace():
                self._fail("a space behind a word; values are chosen from with | behind a field only")
            return Term("", (word.text,), negated=negated)
        self.at = found.end() + 1
        name, _, path = found[0].partition(".")
        self._check_field(name.lower(), path, begin)
        return self._term_of(name.lower(), tuple(path.split(".")) if path else (), negated)

    def _check_field(self, name: str, path: str, begin: int) -> None:
        if name not in FIELDS or (path and name != "arg"):
            near = difflib.get_close_matches(name, FIELDS, 1)
            meant = f"; did you mean {near[0]}:?" if near else ""
            quoted = "; put the word in quotes if it has a colon" if not near else ""
            self._fail(f"one of the fields {', '.join(FIELDS)}{meant}{quoted}", at=begin)
        if name == "arg" and not all(path.split(".")):
            self._fail("the argument's name: arg.user_id:42", at=begin)

    def _term_of(self, name: str, path: tuple[str, ...], negated: bool) -> Term:
        match name:
            case "attempts" | "ran" | "waited":
                return self._comparison(name, negated)
            case "since" | "until":
                return self._moment(name, negated)
        values = [self._value(f"a value behind {name}:")]
        while self._take("|"):
            values.append(self._value("another value behind |"))
        self._check_end()
        texts = map(self._state, values) if name == "state" else (value.text for value in values)
        return Term(name, tuple(dict.fromkeys(texts)), path, negated)

    # --- values -------------------------------------------------------------------------------------

    def _state(self, value: Value) -> str:
        word = value.text.lower()
        if word in OUTSIDE:
            return OUTSIDE[word][0]
        if word not in INSIDE:
            self._fail(_STATES, at=value.at)
        return word

    def _comparison(self, name: str, negated: bool) -> Term:
        sign = self._sign()
        value = self._value(f"a number behind {name}:" if name == "attempts" else f"a time behind {name}:")
        self._check_end()
        if name == "attempts":
            if not value.text.isdecimal():
                self._fail("a whole number, such as attempts:>2", at=value.at)
            return Term(name, (value.text,), (), negated, sign or "=", float(value.text))
        if sign in ("", "="):
            self._fail(f"> or < and a time, such as {name}:>30s", at=value.at)
        seconds = self._span(value)
        if seconds is None:
            self._fail(f"a time such as 30s, 5m, 2h or 1d: {name}:>30s", at=value.at)
        return Term(name, (value.text,), (), negated, sign, seconds)

    def _moment(self, name: str, negated: bool) -> Term:
        value = self._value(f"a time or a date behind {name}:")
        self._check_end()
        seconds = self._span(value)
        moment = _date(value.text) if seconds is None else self.now - seconds
        if moment is None:
            self._fail(
                "a time ago such as 30s, 5m, 2h or 1d, or a date such as 2026-01-31T12:00", at=value.at
            )
        return Term(name, (value.text,), (), negated, "", moment)

    def _span(self, value: Value) -> float | None:
        """Read seconds; None if it is none of that."""
        if re.fullmatch(r"\d+(\.\d+)?", value.text):
            return float(value.text) if len(value.text) <= 12 else None
        if not _SPAN.fullmatch(value.text) or len(value.text) > 40:
            return None
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value.text))

    # --- signs --------------------------------------------------------------------------------------

    def _value(self, expected: str) -> Value:
        """Read a word, or what stands in quotes."""
        begin = self.at
        if self._take('"'):
            return Value(self._quoted(begin), begin)
        found = _PLAIN.match(self.text, self.at)
        if found is None:
            self._fail(expected)
        self.at = found.end()
        return Value(found[0], begin)

    def _quoted(self, begin: int) -> str:
        signs: list[str] = []
        while self.at < len(self.text):
            sign = self.text[self.at]
            self.at += 1
            if sign == '"':
                if not signs:
                    self._fail("something between the quotes", at=begin)
                return "".join(signs)
            if sign == "\\" and self.at < len(self.text):
                sign = self.text[self.at]
                self.at += 1
            signs.append(sign)
        return self._fail('a closing "', at=begin)

    def _sign(self) -> Sign:
        found = _SIGN.match(self.text, self.at)
        sign = found[0] if found is not None else ""
        self.at += len(sign)
        return sign  # type: ignore[return-value]

    def _take(self, sign: str) -> bool:
        taken = self.text.startswith(sign, self.at)
        self.at += taken
        return taken

    def _skip_spaces(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _check_end(self) -> None:
        if self.at < len(self.text) and not self.text[self.at].isspace():
            self._fail("a space behind the value")

    def _fail(self, expected: str, *, at: int | None = None) -> NoReturn:
        raise InvalidFilter(self.text, self.at if at is None else at, expected)


def _date(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
