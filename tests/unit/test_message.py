"""Names that a store may see, ids, and what travels."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.errors import DecodeError, EncodeError, InvalidName, PayloadTooLarge
from celeriac.message import (
    PLAIN,
    Message,
    Options,
    Record,
    Request,
    check_id,
    check_queue_name,
    check_task_name,
    decode_options,
    decode_payload,
    encode_options,
    encode_payload,
    new_ids,
)
from celeriac.states import State

CHECKS = [check_task_name, check_queue_name, check_id]

HOSTILE = [
    *("", " ", "a b", "a\n", "\na", "a\tb", "a\x00b", "\x7f", "a\r", "\u2028", "\u00a0", "\u200b", "\ufeff"),
    *(
        "{a}",
        "a{",
        "'",
        '"',
        "`",
        "\\",
        "a;b",
        "a,b",
        "a*",
        "a?",
        "[a]",
        "(a)",
        "a|b",
        "$a",
        "%s",
        "a&b",
        "#",
    ),
    *("!a", "a^b", "\ud800", "a\udfff", "e\u0301", "😀", "€"),
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_store_ever_sees_a_hostile_name(check, name):
    with pytest.raises(InvalidName):
        check(name)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", [None, 7, b"bytes", ["a"], object(), True])
def test_a_name_is_a_string(check, name):
    with pytest.raises(InvalidName):
        check(name)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", ["a", "A.b_c-d:e", "..", ":", "@", "7", "é", "日本語", "x" * 128])
def test_letters_digits_and_a_few_signs_will_do(check, name):
    assert check(name) == name


def test_a_task_may_be_called_as_python_calls_a_nested_function():
    name = "shop.views.make.<locals>.<lambda>"

    assert check_task_name(name) == name


@pytest.mark.parametrize(
    ("check", "most"), [(check_task_name, 255), (check_queue_name, 128), (check_id, 128)]
)
def test_a_name_may_be_so_long_and_no_longer(check, most):
    assert check("n" * most)
    with pytest.raises(InvalidName):
        check("n" * (most + 1))


def test_a_refusal_shows_the_name_and_what_is_allowed_but_not_a_megabyte():
    with pytest.raises(InvalidName, match=r"'two words' cannot be a task name: use 1 to 255 letters"):
        check_task_name("two words")
    with pytest.raises(InvalidName) as caught:
        check_queue_name(" " * 1_000_000)
    assert len(str(caught.value)) < 300


@given(st.text())
def test_whatever_passes_has_no_sign_that_means_something_to_a_store(name):
    for check in CHECKS:
        try:
            assert not re.search(r"[\s{}\"'*?\[\]\\\x00-\x1f]", check(name))
        except InvalidName:
            continue


def test_new_ids_are_valid_unlike_and_begin_with_their_time():
    ids = new_ids(1_000, now=1_700_000_000.5)

    assert len(set(ids)) == 1_000
    assert {check_id(each)[:12] for each in ids} == {f"{1_700_000_000_500:012x}"}
    assert {len(each) for each in ids} == {28}
    assert new_ids(0, now=1.0) == []


def test_ids_of_a_later_moment_sort_behind():
    assert max(new_ids(50, now=1_700_000_000.0)) < min(new_ids(50, now=1_700_000_000.001))


# --- arguments and options ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1,), {}), ((), {"a": 1}), ((1, [2], None), {"a": {"b": "ü"}, "c": True})],
)
def test_arguments_survive_the_journey(args, kwargs):
    payload = encode_payload(args, kwargs, what="the call")

    assert decode_payload(payload, what="the call") == (list(args), kwargs)


def test_no_arguments_need_no_bytes():
    assert encode_payload((), {}, what="the call") == b""


def test_an_argument_that_cannot_travel_is_named_with_its_place():
    with pytest.raises(EncodeError, match=r"arguments of shop\.add cannot be serialised.*set_trace|object"):
        encode_payload((object(),), {}, what="arguments of shop.add")
    with pytest.raises(EncodeError, match=r"\[1\]\['rate'\] is NaN"):
        encode_payload((1,), {"rate": float("nan")}, what="arguments")


def test_arguments_may_not_be_larger_than_the_limit():
    with pytest.raises(PayloadTooLarge, match="the limit is 100"):
        encode_payload(("x" * 200,), {}, what="arguments", limit=100)


@pytest.mark.parametrize(
    "payload", [b"{", b"[]", b"[1,2]", b"[[],[]]", b"null", b'"x"', b"[[],{},1]", b"\xff"]
)
def test_broken_arguments_are_said_to_be_broken(payload):
    with pytest.raises(DecodeError):
        decode_payload(payload, what="arguments")


def test_options_survive_the_journey():
    options = Options(root_id="r", parent_id="p", headers={"trace": "1"}, time_limit=2.5, max_retries=0)

    assert decode_options(encode_options(options)) == options


def test_default_options_need_no_bytes():
    assert encode_options(Options()) == b""
    assert decode_options(b"") == PLAIN


def test_options_of_a_later_version_are_read_as_far_as_they_are_known():
    assert decode_options(b'{"root_id":"r","unheard_of":[1]}') == Options(root_id="r")


def test_broken_options_are_said_to_be_broken():
    with pytest.raises(DecodeError):
        decode_options(b'{"time_limit":"soon"}')


# --- records and requests -----------------------------------------------------------------------


def test_a_record_has_its_messages_id_and_celerys_word_for_its_state():
    record = Record(Message("id-1", "shop.add"), State.RUNNING, custom="PROGRESS")

    assert (record.id, record.outside) == ("id-1", "PROGRESS")


def test_a_request_says_where_it_came_from_as_celerys_tasks_expect():
    request = Request(queue="mail", priority=3)

    assert request.delivery_info == {"queue": "mail", "routing_key": "mail", "priority": 3}


class ReadBesideOthers(bytes):
    """Options that are compared while another thread reads others."""

    def __ne__(self, other):
        is_other = bytes.__ne__(self, other)
        decode_options(b'{"due":2.0}')
        return is_other

    __hash__ = bytes.__hash__


def test_options_that_are_read_while_another_thread_reads_others_are_not_mixed_up(monkeypatch):
    monkeypatch.setattr("celeriac.message._decoded", (b"", PLAIN))  # what is kept here must not stay
    mine = ReadBesideOthers(b'{"due":1.0}')
    decode_options(b'{"due":1.0}')

    assert decode_options(mine).due == 1.0
    assert decode_options(mine).due == 1.0
