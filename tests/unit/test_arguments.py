import dataclasses
import datetime as dt
import enum
import functools
import traceback
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from celeriac.arguments import Arguments
from celeriac.errors import ConfigurationError, InvalidArguments
from celeriac.message import decode_payload, encode_payload

if TYPE_CHECKING:
    from nowhere import Unknown


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: int
    when: dt.datetime


class Struct(msgspec.Struct):
    name: str
    tags: set[str] = set()


class Model(pydantic.BaseModel):
    amount: Decimal
    at: dt.date


class Row(TypedDict):
    id: int


def through_json(function, *args, **kwargs):
    """Carry a call as a message does."""
    arguments = Arguments(function, "a.task")
    arguments.check(args, kwargs)
    sent = decode_payload(encode_payload(args, kwargs, what="the arguments"), what="the arguments")
    return arguments.convert(*sent)


MOMENT = dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
VALUES = [
    (Point, Point(1, MOMENT)),
    (Struct, Struct("a", {"x"})),
    (Model, Model(amount=Decimal("1.10"), at=dt.date(2026, 1, 2))),
    (dt.datetime, MOMENT),
    (dt.datetime, dt.datetime(2026, 1, 2, 3, 4, 5, 678901)),
    (dt.date, dt.date(2026, 1, 2)),
    (dt.time, dt.time(1, 2, 3)),
    (dt.timedelta, dt.timedelta(days=1, milliseconds=5)),
    (uuid.UUID, uuid.UUID(int=7)),
    (Decimal, Decimal("3.1400")),
    (Colour, Colour.RED),
    (Level, Level.HIGH),
    (bytes, b"\x00\xff"),
    (set[int], {1, 2}),
    (frozenset[str], frozenset("ab")),
    (tuple[int, str], (1, "a")),
    (tuple[Decimal, ...], (Decimal(1), Decimal("2.5"))),
    (list[Path], [Path("/a"), Path("b")]),
    (Path, Path("/tmp/ä")),
    (dict[str, dt.date], {"a": dt.date(2026, 1, 2)}),
    (dict[int, str], {1: "a"}),
    (dict[uuid.UUID, int], {uuid.UUID(int=1): 2}),
    (Sequence[Point], [Point(2, MOMENT)]),
    (list[Model], [Model(amount=Decimal(1), at=dt.date(2026, 1, 2))]),
    (Decimal | None, Decimal(1)),
    (dt.date | None, None),
    (Literal["a", "b"], "b"),
    (Row, {"id": 3}),
    (float, 3.0),
    (int, 2**70),
    (Any, {"a": [1, None]}),
]


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=[str(kind) for kind, _ in VALUES])
def test_an_argument_comes_back_as_its_annotated_type(kind, value):
    def run(x, *, y=None):
        pass

    run.__annotations__ = {"x": kind, "y": kind}

    args, kwargs = through_json(run, value, y=value)

    assert (args, kwargs) == ((value,), {"y": value})
    assert type(args[0]) is type(value)


def test_annotations_as_strings_are_read():
    def run(when: "dt.datetime", items: "list[Point]"):
        pass

    args, _ = through_json(run, MOMENT, [Point(1, MOMENT)])

    assert args == (MOMENT, [Point(1, MOMENT)])


def test_an_annotation_that_cannot_be_evaluated_does_not_spoil_the_others():
    def run(a: "Unknown", b: "dt.date"):
        pass

    args, _ = through_json(run, {"x": 1}, dt.date(2026, 1, 2))

    assert args == ({"x": 1}, dt.date(2026, 1, 2))


def test_an_annotation_that_is_no_type_for_json_leaves_the_value_alone():
    def run(a: "Point | Struct", b: object, c: 3):
        pass

    run.__annotations__ = {"a": Point | Struct, "b": object, "c": 3}

    args, _ = through_json(run, {"x": 1}, [1], "c")

    assert args == ({"x": 1}, [1], "c")


def test_a_default_of_none_admits_none_though_the_annotation_does_not():
    def run(when: dt.date = None):  # noqa: RUF013 - as people still write it
        pass

    assert through_json(run, None)[0] == (None,)
    assert through_json(run, when=None)[1] == {"when": None}
    assert through_json(run, dt.date(2026, 1, 2))[0] == (dt.date(2026, 1, 2),)


def test_collecting_parameters_convert_each_value():
    def run(first, *rest: Decimal, flag: bool = False, **named: dt.date):
        pass

    args, kwargs = through_json(run, "1", Decimal(2), Decimal(3), flag=True, day=dt.date(2026, 1, 2))

    assert args == ("1", Decimal(2), Decimal(3))
    assert kwargs == {"flag": True, "day": dt.date(2026, 1, 2)}


def test_a_parameter_without_annotation_is_not_taken_for_one_of_the_collected():
    def run(plain, **named: int):
        pass

    assert through_json(run, plain="text", other=3)[1] == {"plain": "text", "other": 3}


WRONG = {
    "too few": ((), {}),
    "too many": ((1, 2, 3), {}),
    "unknown keyword": ((1,), {"z": 1}),
    "given twice": ((1, 2), {"a": 1}),
    "keyword-only as positional": ((1, 2, 3), {"c": 1}),
}


@pytest.mark.parametrize(("args", "kwargs"), WRONG.values(), ids=WRONG)
def test_a_call_that_does_not_fit_says_the_signature(args, kwargs):
    def run(a: int, b: int = 2, *, c: int = 3) -> None:
        pass

    with pytest.raises(InvalidArguments) as caught:
        Arguments(run, "proj.run").check(args, kwargs)

    assert "proj.run(a: int, b: int = 2, *, c: int = 3) cannot be called so: " in str(caught.value)
    assert isinstance(caught.value, TypeError)


def test_a_required_keyword_is_required():
    def run(a, *, b):
        pass

    arguments = Arguments(run, "run")
    arguments.check((1,), {"b": 2})
    with pytest.raises(InvalidArguments, match=r"missing a required.* argument: 'b'"):
        arguments.check((1,), {})


def test_positional_only_parameters_take_no_names():
    def run(a, /, b):
        pass

    with pytest.raises(InvalidArguments):
        Arguments(run, "run").check((), {"a": 1, "b": 2})


def test_a_value_that_cannot_become_its_type_names_the_argument():
    def run(a: int, when: dt.date):
        pass

    says = r"the argument 'when' of proj.run cannot be read: .*date"
    with pytest.raises(InvalidArguments, match=says) as caught:
        Arguments(run, "proj.run").convert([1, "tomorrow"], {})

    assert "DecodeError" not in "".join(traceback.format_exception(caught.value))


def test_a_wrapped_function_keeps_its_annotations():
    def run(a: Decimal) -> dt.date:
        pass

    @functools.wraps(run)
    def wrapper(*args, **kwargs):
        return run(*args, **kwargs)

    arguments = Arguments(wrapper, "run")
    assert arguments.convert(["1.5"], {})[0] == (Decimal("1.5"),)
    assert arguments.result_type is dt.date


def test_a_result_type_without_json_form_counts_as_none():
    def run() -> "Point | Struct":
        pass

    run.__annotations__ = {"return": Point | Struct}

    assert Arguments(run, "run").result_type is Any


def test_a_function_whose_parameters_python_does_not_know_is_refused_with_the_way_out():
    with pytest.raises(ConfigurationError, match="write a def around it"):
        Arguments(max, "shop.largest")  # its signature cannot be told
