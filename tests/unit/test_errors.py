"""The tree of errors: drawn in the docstring as it is, and catchable as Python's own where that helps."""

import builtins
import re

import pytest

from celeriac import errors
from celeriac.errors import CeleriacError, NotRegistered, Reject, Retry, TaskFailed

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CeleriacError)]


def _drawn() -> dict[str, str]:
    """Each error of the drawing with the one that it hangs on."""
    parents, above = {}, {0: "CeleriacError"}
    for branch, name in re.findall(r"^([│ ]*[├└]── )(\w+)", errors.__doc__, re.MULTILINE):
        depth = len(branch) // 4
        above[depth] = name
        parents[name] = above[depth - 1]
    return parents


def test_the_drawing_at_the_top_shows_every_error_and_where_it_hangs():
    real = {
        kind.__name__: next(b.__name__ for b in kind.__bases__ if issubclass(b, CeleriacError))
        for kind in ALL
        if kind is not CeleriacError
    }

    assert _drawn() == real


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("MissingExtra", ImportError),
        ("InvalidName", ValueError),
        ("InvalidArguments", TypeError),
        ("EncodeError", TypeError),
        ("DecodeError", ValueError),
        ("PayloadTooLarge", ValueError),
        ("NotRegistered", KeyError),
        ("UnknownTask", LookupError),
        ("TimeoutError", builtins.TimeoutError),
        ("WouldDeadlock", RuntimeError),
    ],
)
def test_an_error_can_be_caught_as_pythons_own(name, also):
    assert issubclass(getattr(errors, name), also)


@pytest.mark.parametrize("kind", ALL)
def test_every_error_says_its_message(kind):
    assert "what happened" in str(kind("what happened"))


def test_an_unknown_task_name_is_said_without_quotes_around_it():
    assert str(NotRegistered("no task is called 'x'")) == "no task is called 'x'"
    assert str(NotRegistered()) == ""


def test_a_failed_task_names_the_original_type():
    assert str(TaskFailed("no such card", "shop.CardDeclined")) == "shop.CardDeclined: no such card"
    assert str(TaskFailed("no such card")) == "no such card"


def test_a_retry_without_words_says_what_is_behind_it():
    cause = ValueError("x")

    assert str(Retry(exc=cause)) == "retry after ValueError('x')"
    assert str(Retry("soon", exc=cause)) == "soon"
    assert str(Retry()) == "retry"
    assert (Retry(exc=cause, when=3).exc, Retry(when=3).when, Retry(max_retries=1).max_retries) == (
        cause,
        3,
        1,
    )


def test_a_reject_keeps_its_reason_as_text():
    assert (Reject(KeyError("x")).reason, Reject().requeue, Reject("no", True).requeue) == (
        "'x'",
        False,
        True,
    )
