"""The language of filters: what can be said, what it means, and what is said of what cannot be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.criteria import Criteria, is_like
from celeriac.errors import InvalidFilter
from celeriac.filters import Filter
from celeriac.message import Message, Options, Record, encode_options, encode_payload
from celeriac.outcome import stored
from celeriac.parsing import parse
from celeriac.states import State

NOW = 1_700_000_000.0


def a_record(state=State.SUCCEEDED, **fields):
    sent = {"id": "0abc12", "name": "mail.send_one", "queue": "mail", "created": NOW - 100.0}
    sent |= {name: fields.pop(name) for name in ("id", "name", "queue", "created") if name in fields}
    args, kwargs = fields.pop("args", ()), fields.pop("kwargs", {})
    payload = fields.pop("payload", encode_payload(args, kwargs, what="it"))
    options = encode_options(Options(**fields.pop("options", {})))
    return Record(Message(**sent, payload=payload, options=options), state, **fields)


def fits(text, record=None, **fields):
    record = a_record(**fields) if record is None else record
    wanted = parse(text, NOW)
    if wanted.matches(record):
        assert wanted.criteria.matches(record), "what fits the filter fits what a store looks for"
    return wanted.matches(record)


# --- what can be said -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  state:FAILURE  ", "state:failed"),
        ("state:failed|SUCCESS|Failed", "state:failed|succeeded"),
        ("State:queued QUEUE:mail", "state:queued queue:mail"),
        ("-name:noise* x", "-name:noise* x"),
        ('error:"timed out"', 'error:"timed out"'),
        ('error:timed" out"', None),
        ('error:"say \\"no\\""|b', 'error:"say \\"no\\""|b'),
        ("attempts:3 attempts:>=2", "attempts:=3 attempts:>=2"),
        ("ran:>1h30m waited:<500ms", "ran:>1h30m waited:<500ms"),
        ("arg.user.id:42 arg.0:x", "arg.user.id:42 arg.0:x"),
        ("since:2h until:2026-01-31T12:00", "since:2h until:2026-01-31T12:00"),
        ('"state:failed"', '"state:failed"'),
        ('-"-x"', '-"-x"'),
        ("name:a:b", "name:a:b"),
    ],
)
def test_a_filter_is_written_in_its_canonical_form_which_means_the_same(text, canonical):
    if canonical is None:
        with pytest.raises(InvalidFilter):
            parse(text, NOW)
        return

    wanted = parse(text, NOW)

    assert str(wanted) == canonical
    assert parse(str(wanted), NOW) == wanted


def reading(text):
    try:
        return parse(text, NOW)
    except InvalidFilter as error:
        return error


@given(st.text(alphabet='st:ae|"\\- >*.<=0hm;é', max_size=30))
def test_any_text_is_read_and_written_again_or_refused_at_a_place_in_it(text):
    said = reading(text)

    if isinstance(said, InvalidFilter):
        assert 0 <= said.position <= len(text)
        assert said.expected
    else:
        assert parse(str(said), NOW) == said


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("state:done", 6, "one of queued, scheduled"),
        ("id:\udcff", 3, "text in UTF-8"),  # a command line makes this of the byte 255
        ("a stat:failed", 2, "did you mean state:?"),
        ("http://x", 0, "put the word in quotes if it has a colon"),
        ("queue:", 6, "a value behind queue:"),
        ("queue:a|", 8, "another value behind |"),
        ('queue:"a', 6, 'a closing "'),
        ('queue:""', 6, "something between the quotes"),
        ("a|b", 1, "a space behind a word"),
        ("-", 1, "a field such as state:, or a word"),
        ("attempts:>x", 10, "a whole number"),
        ("attempts:1|2", 10, "a space behind the value"),
        ("ran:5s", 4, "> or <"),
        ("ran:>soon", 5, "a time such as 30s"),
        ("since:yesterday", 6, "a time ago such as 30s"),
        ("state.x:failed", 0, "one of the fields"),
        ("arg.:1", 0, "one of the fields"),
        ("arg:1", 0, "the argument's name"),
        ("x " * 51, 0, "at most 50 terms"),
        ("x" * 5_000, 0, "at most 4,000 characters"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place_and_what_was_expected(text, position, expected):
    with pytest.raises(InvalidFilter) as caught:
        parse(text, NOW)

    assert (caught.value.position, expected in caught.value.expected) == (position, True), caught.value
    assert "»" in str(caught.value)


# --- what it means --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("state:failed", {"state": State.FAILED}, {"state": State.QUEUED}),
        ("state:SUCCESS", {"state": State.SUCCEEDED}, {"state": State.FAILED}),
        ("state:pending", {"state": State.WAITING}, {"state": State.SCHEDULED, "retries": 1}),
        ("state:retry", {"state": State.SCHEDULED, "retries": 1}, {"state": State.QUEUED}),
        ("state:started", {"state": State.RUNNING}, {"state": State.RUNNING, "custom": "PROGRESS"}),
        ("state:progress", {"state": State.RUNNING, "custom": "PROGRESS"}, {"state": State.RUNNING}),
        ("queue:mail|x", {}, {"queue": "mailing"}),
        ("name:mail.*", {}, {"name": "shop.mail.x"}),
        ("-name:noise*", {}, {"name": "noise.1"}),
        ("worker:host.1*", {"worker": "host.12"}, {"worker": "host.2"}),
        ("id:0abc|7", {}, {"id": "x0abc"}),
        ("attempts:>2", {"fence": 3}, {"fence": 2}),
        ("attempts:<=2", {"fence": 2}, {"fence": 3}),
        ("attempts:0", {}, {"fence": 1}),
        ("ran:>30s", {"started": 10.0, "finished": 41.0}, {"started": 10.0, "finished": 39.0}),
        ("ran:<30s", {"started": 10.0, "finished": 11.0}, {}),
        ("ran:>30s", {"state": State.RUNNING, "started": NOW - 31}, {"state": State.QUEUED, "started": 1.0}),
        ("waited:>1m", {"started": NOW - 30}, {"started": NOW - 50}),
        ("waited:>1m", {"state": State.QUEUED}, {"state": State.QUEUED, "created": NOW - 50}),
        ("since:50s", {"finished": NOW - 40}, {"finished": NOW - 60}),
        ("until:50s", {"finished": NOW - 60}, {"finished": NOW - 50}),
        ("since:2023-11-14", {}, {"created": NOW - 86_400}),
        ("arg.user_id:42", {"kwargs": {"user_id": 42}}, {"kwargs": {"user_id": 421}}),
        ("arg.user_id:42", {"kwargs": {"user_id": "42"}}, {"args": (42,)}),
        ("arg.0:a*", {"args": ("abc",)}, {"args": ("b", "abc")}),
        (
            "arg.o.items.1.id:7",
            {"kwargs": {"o": {"items": [0, {"id": 7}]}}},
            {"kwargs": {"o": {"items": []}}},
        ),
        ("arg.x:true|null", {"kwargs": {"x": None}}, {"kwargs": {}}),
        ("arg.0:x", {"args": ("x",)}, {"payload": b"not json"}),
        ('error:"timed out"', {"error": stored(OSError("it Timed Out"))}, {"error": stored(OSError("no"))}),
        ("error:ValueError", {"error": stored(ValueError("x"))}, {}),
        ("root:0abc12", {}, {"options": {"root_id": "other"}}),
        ("root:other", {"options": {"root_id": "other"}}, {}),
        ("schedule:night*", {"options": {"schedule": "nightly"}}, {}),
        ("group:g1", {"options": {"group_id": "g1"}}, {"options": {"group_id": "g2"}}),
        ("0abc", {}, {"id": "10abc"}),
        ("SEND", {}, {"name": "mail.sort"}),
        ("state:succeeded queue:mail send", {}, {"queue": "x"}),
    ],
)
def test_a_filter_means_those_and_not_others(text, yes, no):
    assert fits(text, **yes)
    assert not fits(text, **no)


def test_a_minus_turns_a_term_round():
    record = a_record(state=State.FAILED)

    for term in ("state:failed", "queue:mail", "attempts:0", "arg.0:x", "nowhere"):
        assert fits(term, record) is not fits(f"-{term}", record)


def test_a_store_is_told_what_it_can_look_for():
    wanted = parse("state:failed|retry queue:a|b name:x* worker:w id:0 since:10s until:5s error:x", NOW)

    assert wanted.criteria == Criteria(
        frozenset({State.FAILED, State.QUEUED, State.SCHEDULED, State.WAITING}),
        ("a", "b"),
        ("x*",),
        ("w",),
        ("0",),
        NOW - 10,
        NOW - 5,
    )


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("", True),
        ("state:failed queue:a name:x* since:1h", True),
        ("state:retry", False),
        ("-queue:a", False),
        ("queue:a queue:b", False),
        ("error:x", False),
        ("word", False),
    ],
)
def test_a_filter_knows_whether_a_store_can_look_for_all_of_it(text, exact):
    assert parse(text, NOW).is_exact is exact


def test_workers_may_be_called_by_their_names():
    wanted = parse("worker:web-*", NOW).with_workers({"host.1.ab": "web-1", "host.2.cd": "mail"})

    assert wanted.criteria.workers == ("web-*", "host.1.ab")
    assert wanted.matches(a_record(worker="host.1.ab"))
    assert not wanted.matches(a_record(worker="host.2.cd"))


def test_an_empty_filter_means_all():
    assert Filter().matches(a_record())
    assert Filter().criteria == Criteria()


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_a_star_stands_for_any_text(pattern, text):
    import re

    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None

    assert is_like(text, pattern) is expected


def test_a_pattern_that_looks_bad_takes_no_longer_than_any():
    assert not is_like("a" * 200_000, "*a" * 500 + "b")
