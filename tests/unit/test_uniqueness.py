"""What counts as the same call, where a task names no key."""

import dataclasses
import os
import subprocess
import sys

import msgspec
import pytest

from celeriac import Celeriac
from celeriac.errors import EncodeError
from celeriac.uniqueness import uniqueness_of

COLOURS = ("red", "green", "blue", "grey", "pink")
IN_A_PROCESS = f"""
from celeriac import Celeriac
from celeriac.uniqueness import uniqueness_of

app = Celeriac("shop", broker="memory://")
paint = app.task(unique=True, name="paint")(lambda colours, **more: None)
print(uniqueness_of(paint).unique_of(({{*{COLOURS}}},), {{"more": [frozenset({COLOURS})]}}).name)
"""


@dataclasses.dataclass
class Box:
    tags: set


class Crate(msgspec.Struct):
    tags: dict


@pytest.fixture
def name_of():
    app = Celeriac("shop", broker="memory://", set_as_current=False)
    paint = app.task(unique=True, name="paint")(lambda value=None, **more: None)
    uniqueness = uniqueness_of(paint)
    return lambda *args, **kwargs: uniqueness.unique_of(args, kwargs).name


def test_a_set_is_the_same_in_every_process():
    def name_in_a_process(seed):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, "-c", IN_A_PROCESS]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert len({name_in_a_process(seed) for seed in range(3)}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([{"a": {"x": 1, "y": 2}}], [{"a": {"y": 2, "x": 1}}]),
        ({1: "a", "b": 2}, {"b": 2, 1: "a"}),
        (Crate({"a": 1, "b": 2}), Crate({"b": 2, "a": 1})),
        (Box({1, "a", None, (2, 3)}), Box({None, (2, 3), "a", 1})),
        ({frozenset({1, 2}), frozenset({3})}, {frozenset({3}), frozenset({2, 1})}),
    ],
)
def test_the_order_of_a_value_does_not_matter(name_of, one, other):
    assert name_of(one) == name_of(other)


def test_the_order_of_named_arguments_does_not_matter(name_of):
    assert name_of(1, a=2, b=3) == name_of(1, b=3, a=2) == name_of(b=3, a=2, value=1)


def test_the_order_of_a_list_does(name_of):
    assert name_of([1, 2]) != name_of([2, 1])


def test_what_cannot_be_sent_has_no_name(name_of):
    deep = []
    for _ in range(100_000):
        deep = [deep]

    for value in (object(), {float("nan")}, deep):
        with pytest.raises(EncodeError, match="the arguments of paint"):
            name_of(value)
