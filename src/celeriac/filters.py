"""The language in which people say which tasks they mean: `state:failed queue:mail since:2h -name:noise*`.

Pure: the time is an argument, and nothing is asked of a store. What a store can use by itself is in
`Filter.criteria`; the rest is decided by `Filter.matches`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, Literal

import msgspec

from celeriac import codec
from celeriac.criteria import UNENDED, Criteria, changed, is_like
from celeriac.errors import DecodeError
from celeriac.message import PLAIN, Options, Record, decode_options, decode_payload
from celeriac.outcome import ErrorInfo, decode_error
from celeriac.states import PENDING, PROGRESS, RETRY, STARTED, State

Values = tuple[list[Any], dict[str, Any]]  # positional arguments, and those with names
Conceal = Callable[[str, list[Any], dict[str, Any]], Values]
Sign = Literal["", ">", ">=", "<", "<=", "="]

INSIDE: Final = {state.name.lower(): state for state in State}
OUTSIDE: Final[dict[str, tuple[str, frozenset[State]]]] = {
    "success": ("succeeded", frozenset({State.SUCCEEDED})),
    "failure": ("failed", frozenset({State.FAILED})),
    "revoked": ("cancelled", frozenset({State.CANCELLED})),
    "pending": (PENDING, UNENDED - {State.RUNNING}),
    "retry": (RETRY, UNENDED - {State.RUNNING}),
    "started": (STARTED, frozenset({State.RUNNING})),
    "progress": (PROGRESS, frozenset({State.RUNNING})),
}


class Term(msgspec.Struct, frozen=True):
    """One condition of a filter.

    Attributes:
        field: what it looks at; "" for a bare word.
        values: what was written behind the colon; one of them has to fit.
        path: of `arg.<path>`, the names of the way to the value.
        negated: a minus stood before it.
        sign, number: of a comparison; seconds, for times since 1970.
    """

    field: str
    values: tuple[str, ...]
    path: tuple[str, ...] = ()
    negated: bool = False
    sign: Sign = ""
    number: float = 0.0

    def __str__(self) -> str:
        """Write it as it is read."""
        minus = "-" if self.negated else ""
        if not self.field:
            return minus + _quoted(self.values[0], ":")
        name = ".".join((self.field, *self.path))
        return f"{minus}{name}:{self.sign}{'|'.join(map(_quoted, self.values))}"


class Filter(msgspec.Struct, frozen=True):
    """Which tasks are meant: those that fit all of its terms.

    Attributes:
        now: the moment at which it was said, in seconds since 1970 UTC.
        conceal: makes of a task's name and its arguments those that the filter may look at; None for all.
    """

    terms: tuple[Term, ...] = ()
    now: float = 0.0
    conceal: Conceal | None = None

    def __str__(self) -> str:
        """Write it in its canonical form, which `parse` reads as the same filter."""
        return " ".join(map(str, self.terms))

    @property
    def criteria(self) -> Criteria:
        """What a store can look for by itself; all that fit the filter fit it, others may as well."""
        criteria = Criteria()
        for term in self.terms:
            narrow = None if term.negated else _NARROWED.get(term.field)
            if narrow is not None:
                criteria = narrow(criteria, term)
        return criteria

    @property
    def is_exact(self) -> bool:
        """Whether `criteria` says all: what fits them fits the filter."""
        fields = [term.field for term in self.terms]
        return (
            len(fields) == len(set(fields))
            and not any(term.negated or term.field not in _NARROWED for term in self.terms)
            and all(value in INSIDE for term in self.terms if term.field == "state" for value in term.values)
        )

    def matches(self, record: Record) -> bool:
        """Say whether *record* fits. Bytes that cannot be read fit no term that looks into them."""
        facts = Facts(record, self.now, self.conceal)
        return all(_TESTS[term.field](term, facts) is not term.negated for term in self.terms)

    def with_workers(self, names: Mapping[str, str]) -> Filter:
        """Return this filter, in which workers may be called by their names.

        Args:
            names: of each worker that lives, by its id.
        """
        return msgspec.structs.replace(self, terms=tuple(_named(term, names) for term in self.terms))


def _named(term: Term, names: Mapping[str, str]) -> Term:
    if term.field != "worker":
        return term
    ids = [id_ for id_, name in names.items() if any(is_like(name, value) for value in term.values)]
    return msgspec.structs.replace(term, values=tuple(dict.fromkeys((*term.values, *ids))))


class Facts:
    """What terms look at; opaque bytes are read once, when one asks for them."""

    def __init__(self, record: Record, now: float, conceal: Conceal | None = None) -> None:
        self.record = record
        self.now = now
        self._conceal = conceal

    @cached_property
    def arguments(self) -> Values:
        """The arguments; none where they cannot be read."""
        message = self.record.message
        try:
            args, kwargs = decode_payload(message.payload, what="the arguments")
        except DecodeError:
            return [], {}
        return (args, kwargs) if self._conceal is None else self._conceal(message.name, args, kwargs)

    @cached_property
    def options(self) -> Options:
        """What else was sent with the task."""
        try:
            return decode_options(self.record.message.options)
        except DecodeError:
            return PLAIN

    @cached_property
    def error(self) -> str:
        """The error's type and what it said."""
        if not self.record.error:
            return ""
        try:
            info = decode_error(self.record.error)
        except DecodeError as error:
            info = ErrorInfo.of(error)
        return f"{info.type}: {info.message}"

    @property
    def ran(self) -> float | None:
        """For how many seconds its last run has gone on, until now if it runs; None if there is none."""
        record = self.record
        if record.started is None or not (record.state is State.RUNNING or record.state.final):
            return None
        return (self.now if record.finished is None else record.finished) - record.started

    @property
    def waited(self) -> float:
        """How many seconds passed from its sending to its last start; to its end, or until now, without."""
        record = self.record
        ends = record.started if record.started is not None else record.finished
        return (self.now if ends is None else ends) - record.message.created

    def argument(self, path: tuple[str, ...]) -> list[Any]:
        """Return the value at *path*, in a list; no value where there is none."""
        args, kwargs = self.arguments
        place: Any = kwargs if path[0] in kwargs else args
        for name in path:
            if isinstance(place, dict) and name in place:
                place = place[name]
            elif isinstance(place, list) and name.isdecimal() and int(name) < len(place):
                place = place[int(name)]
            else:
                return []
        return [place]


# --- does it fit? -----------------------------------------------------------------------------------


def _fits_state(term: Term, facts: Facts) -> bool:
    record = facts.record
    return any(
        record.state is INSIDE[value] if value in INSIDE else record.outside == value for value in term.values
    )


def _fits_argument(term: Term, facts: Facts) -> bool:
    found = [
        value if isinstance(value, str) else codec.encode(value).decode()
        for value in facts.argument(term.path)
    ]
    return any(is_like(text, value) for text in found for value in term.values)


def _fits_error(term: Term, facts: Facts) -> bool:
    said = facts.error.lower()
    return any(is_like(said, f"*{value.lower()}*") for value in term.values) if said else False


def _fits_word(term: Term, facts: Facts) -> bool:
    message, [word] = facts.record.message, term.values
    return message.id.startswith(word) or word.lower() in message.name.lower()


def _compares(sign: Sign, one: float, other: float) -> bool:
    return {
        ">": one > other,
        ">=": one >= other,
        "<": one < other,
        "<=": one <= other,
    }.get(sign, one == other)


def _is_one_of(of: Callable[[Facts], str | None]) -> Callable[[Term, Facts], bool]:
    def test(term: Term, facts: Facts) -> bool:
        text = of(facts)
        return text is not None and any(is_like(text, value) for value in term.values)

    return test


def _compared(of: Callable[[Facts], float | None]) -> Callable[[Term, Facts], bool]:
    def test(term: Term, facts: Facts) -> bool:
        number = of(facts)
        return number is not None and _compares(term.sign, number, term.number)

    return test


_TESTS: Final[dict[str, Callable[[Term, Facts], bool]]] = {
    "": _fits_word,
    "state": _fits_state,
    "queue": lambda term, facts: facts.record.message.queue in term.values,
    "name": _is_one_of(lambda facts: facts.record.message.name),
    "worker": _is_one_of(lambda facts: facts.record.worker),
    "id": lambda term, facts: facts.record.id.startswith(term.values),
    "attempts": _compared(lambda facts: facts.record.fence),
    "ran": _compared(lambda facts: facts.ran),
    "waited": _compared(lambda facts: facts.waited),
    "since": lambda term, facts: changed(facts.record) >= term.number,
    "until": lambda term, facts: changed(facts.record) < term.number,
    "arg": _fits_argument,
    "error": _fits_error,
    "root": lambda term, facts: (facts.options.root_id or facts.record.id) in term.values,
    "schedule": _is_one_of(lambda facts: facts.options.schedule),
    "group": lambda term, facts: facts.options.group_id in term.values,
}
FIELDS: Final = tuple(name for name in _TESTS if name)


# --- what a store can use ---------------------------------------------------------------------------


def _states_of(term: Term) -> frozenset[State]:
    by_outside = dict(OUTSIDE.values())
    return frozenset().union(
        *({INSIDE[value]} if value in INSIDE else by_outside[value] for value in term.values)
    )


def _narrow_states(criteria: Criteria, term: Term) -> Criteria:
    states = _states_of(term)
    both = criteria.states & states if criteria.states else states
    return msgspec.structs.replace(criteria, states=both) if both else criteria


def _once(name: str) -> Callable[[Criteria, Term], Criteria]:
    """Take the values of the first term; a store cannot look for two such conditions at once."""

    def narrow(criteria: Criteria, term: Term) -> Criteria:
        known = getattr(criteria, name)
        return criteria if known else msgspec.structs.replace(criteria, **{name: term.values})

    return narrow


def _narrow_since(criteria: Criteria, term: Term) -> Criteria:
    since = term.number if criteria.since is None else max(criteria.since, term.number)
    return msgspec.structs.replace(criteria, since=since)


def _narrow_until(criteria: Criteria, term: Term) -> Criteria:
    until = term.number if criteria.until is None else min(criteria.until, term.number)
    return msgspec.structs.replace(criteria, until=until)


_NARROWED: Final[dict[str, Callable[[Criteria, Term], Criteria]]] = {
    "state": _narrow_states,
    "queue": _once("queues"),
    "name": _once("names"),
    "worker": _once("workers"),
    "id": _once("ids"),
    "since": _narrow_since,
    "until": _narrow_until,
}


def _quoted(text: str, signs: str = "") -> str:
    """Put a value in quotes if it could be read otherwise, or has one of *signs*."""
    if not any(sign in f'|"\\{signs}' or sign.isspace() for sign in text) and text[0] not in "-<>=":
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
