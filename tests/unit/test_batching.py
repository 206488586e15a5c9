"""Batches: what one call of a task with batch_size looks like, and who gets which result."""

from collections.abc import Sequence
from typing import Any

import pytest

from celeriac.arguments import Arguments
from celeriac.batching import one_call_of, shared_out


def typed(rows: list[int]) -> list[str | None]: ...


def some_fail(rows: Sequence[bytes]) -> list[int | ValueError | KeyError]: ...


def only_errors(rows: list[int]) -> list[ValueError]: ...


def untyped(rows): ...


def no_list(rows: int) -> int: ...


def a_table(rows: dict[str, int]) -> dict[str, int]: ...


@pytest.mark.parametrize(
    ("run", "item", "result"),
    [
        (typed, int, str | None),
        (some_fail, bytes, int),
        (only_errors, Any, Any),
        (untyped, Any, Any),
        (no_list, Any, Any),
        (a_table, Any, Any),
    ],
)
def test_items_and_results_have_the_types_that_are_in_the_lists(run, item, result):
    arguments = Arguments(one_call_of(run, "shop.work"), "shop.work")

    assert arguments.result_type == result
    if run is not only_errors:
        assert one_call_of(run, "shop.work").__annotations__["item"] == item


def test_none_is_shared_out_to_all_and_a_list_in_its_order():
    assert shared_out(None, 3) == [None, None, None]
    assert shared_out(["a", "b"], 2) == ["a", "b"]
    assert shared_out((), 0) == ()


@pytest.mark.parametrize(("returned", "error"), [("ab", TypeError), ({1: 2}, TypeError), ([1], ValueError)])
def test_what_is_no_list_of_that_length_is_refused(returned, error):
    with pytest.raises(error):
        shared_out(returned, 2)
