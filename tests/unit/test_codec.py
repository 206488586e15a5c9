"""Values into bytes and back, by annotation; what JSON cannot hold is refused and named."""

import dataclasses
import enum
import json
import math
from collections import OrderedDict, defaultdict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac import codec
from celeriac.errors import DecodeError, EncodeError, PayloadTooLarge


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Money:
    amount: Decimal
    currency: str = "EUR"


class Point(msgspec.Struct, frozen=True):
    x: float
    y: float


class Card(pydantic.BaseModel):
    number: str
    valid: date
    limits: list[Money] = []


class Pair(NamedTuple):
    first: int
    second: str


class Row(TypedDict):
    key: str


@dataclasses.dataclass
class Order:
    id: UUID
    at: datetime
    lines: list[Money]
    colour: Colour | None = None


MONEY = Money(Decimal("12.340"))

VALUES = [
    (None, None),
    (True, bool),
    (7, int),
    (2**100, int),
    (-0.1, float),
    ("ünï\x00\n", str),
    (b"\x00\xff", bytes),
    (bytearray(b"x"), bytearray),
    ([1, 2], list[int]),
    ((1, "a"), tuple[int, str]),
    ((1, 2, 3), tuple[int, ...]),
    ({1, 2}, set[int]),
    (frozenset({"a"}), frozenset[str]),
    ({"a": 1}, dict[str, int]),
    ({1: "a"}, dict[int, str]),
    ({date(2026, 1, 2): 1}, dict[date, int]),
    (datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), datetime),
    (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-5))), datetime),
    (datetime(2026, 1, 2, 3, 4), datetime),
    (date(2026, 1, 2), date),
    (time(3, 4, 5), time),
    (timedelta(days=-1, microseconds=7), timedelta),
    (UUID("12345678-1234-5678-1234-567812345678"), UUID),
    (Decimal("1.10"), Decimal),
    (Decimal("1E+400"), Decimal),
    (Colour.RED, Colour),
    (Level.HIGH, Level),
    (Path("/tmp/ä b"), Path),
    (PurePosixPath("a/b"), PurePosixPath),
    (MONEY, Money),
    (Point(1.0, 2.0), Point),
    (Card(number="1", valid=date(2027, 1, 1), limits=[MONEY]), Card),
    (Pair(1, "x"), Pair),
    ({"key": "x"}, Row),
    (Order(UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC), [MONEY, MONEY], Colour.RED), Order),
    ([Path("a"), Path("b")], list[Path]),
    ({"a": MONEY}, dict[str, Money]),
    (MONEY, Money | None),
    ("a", Literal["a", "b"]),
    (3, Annotated[int, msgspec.Meta(gt=2)]),
]


@pytest.mark.parametrize(("value", "kind"), VALUES, ids=lambda value: repr(value)[:40])
def test_a_value_comes_back_as_the_type_that_the_reader_names(value, kind):
    back = codec.decode(codec.encode(value), kind)

    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(("value", "kind"), VALUES, ids=lambda value: repr(value)[:40])
def test_a_plain_value_becomes_the_same_as_its_bytes_would(value, kind):
    plain = codec.decode(codec.encode(value))

    assert codec.convert(plain, kind) == codec.decode(codec.encode(value), kind) == value


@pytest.mark.parametrize(("value", "kind"), VALUES, ids=lambda value: repr(value)[:40])
def test_every_such_type_can_be_aimed_at(value, kind):
    assert codec.convertible(kind)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_whatever_json_holds_comes_back_without_a_type(value):
    assert codec.decode(codec.encode(value)) == value


def test_the_bytes_are_json_that_anybody_can_read():
    assert json.loads(codec.encode({"a": [MONEY, Colour.RED, (1, 2)]})) == {
        "a": [{"amount": "12.340", "currency": "EUR"}, "red", [1, 2]]
    }


def test_without_a_type_the_plain_form_comes_back():
    assert codec.decode(codec.encode((1, Decimal("1.5")))) == [1, "1.5"]


def test_no_bytes_are_nothing():
    assert codec.decode(b"") is None
    assert codec.decode(codec.NOTHING, int) is None


class Text(str):
    __slots__ = ()

    def __str__(self):
        return self  # as a template's safe string does


class Number(int):
    pass


class Ratio(float):
    pass


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (Text("x"), b'"x"'),
        (Number(3), b"3"),
        (Ratio(0.5), b"0.5"),
        ({Text("k"): Text("v")}, b'{"k":"v"}'),
        (OrderedDict(a=1), b'{"a":1}'),
        (defaultdict(int, a=1), b'{"a":1}'),
    ],
    ids=repr,
)
def test_kinds_of_plain_types_are_written_as_those(value, data):
    assert codec.encode(value) == data


def test_keys_that_are_numbers_are_written_as_text():
    assert codec.encode({1: "a", 2.5: "b"}) == b'{"1":"a","2.5":"b"}'


# --- what JSON cannot hold ----------------------------------------------------------------------


class Limits(pydantic.BaseModel):
    upper: float


NOT_NUMBERS = [
    (math.nan, "it"),
    (-math.inf, "it"),
    ([1, [2, math.nan]], "[1][1]"),
    ({"rates": {"EUR": math.inf}}, "['rates']['EUR']"),
    ((None, math.nan), "[1]"),
    ({"a": None, "b": Point(1.0, math.nan)}, "['b'].y"),
    ([Money(Decimal(1)), dataclasses.make_dataclass("Rate", ["value"])(math.inf)], "[1].value"),
    (Limits(upper=math.inf), "['upper']"),
    (Pair(1, math.nan), "[1]"),
    (Ratio("nan"), "it"),
]


@pytest.mark.parametrize(("value", "path"), NOT_NUMBERS, ids=lambda value: repr(value)[:40])
def test_a_number_that_json_has_no_word_for_is_refused_and_found(value, path):
    with pytest.raises(EncodeError) as caught:
        codec.encode(value, what="the result")

    assert str(caught.value) == (
        f"the result cannot be serialised: {path} is NaN or infinite, which JSON cannot hold"
    )


def test_nothing_is_not_taken_for_a_number_that_is_none():
    assert codec.encode({"a": None, "b": [None], "c": "null"}) == b'{"a":null,"b":[null],"c":"null"}'


@pytest.mark.parametrize(
    "value",
    [
        object(),
        lambda: 1,
        {(1, 2): 3},
        [object()],
        {"a": {"b": object()}},
        range(3),
        iter([]),
        1j,
        Any,
        OSError(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_json_form_is_refused_by_name(value):
    with pytest.raises(EncodeError, match=r"the result cannot be serialised: .*has no JSON form"):
        codec.encode(value, what="the result")


def test_text_that_is_not_unicode_is_refused():
    with pytest.raises(EncodeError, match="surrogates"):
        codec.encode("\ud800")


def nested(depth: int, leaf: Any) -> Any:
    for _ in range(depth):
        leaf = [leaf]
    return leaf


def test_a_ring_is_refused():
    ring: list[Any] = []
    ring.append(ring)

    with pytest.raises(EncodeError, match="nested too deeply"):
        codec.encode(ring)


def test_what_is_nested_too_deeply_is_refused():
    with pytest.raises(EncodeError, match="nested too deeply"):
        codec.encode(nested(100_000, 1))
    with pytest.raises(DecodeError, match="nested too deeply"):
        codec.decode(b"[" * 100_000 + b"]" * 100_000)


@pytest.mark.parametrize("depth", [100, 500, 700])
def test_a_deep_value_is_searched_for_numbers_without_going_too_deep(depth):
    assert codec.encode(nested(depth, None)).count(b"[") == depth
    with pytest.raises(EncodeError, match="is NaN or infinite"):
        codec.encode(nested(depth, math.nan))


def test_a_value_may_be_as_large_as_the_limit_and_no_larger():
    assert len(codec.encode("x" * 98, limit=100)) == 100
    with pytest.raises(PayloadTooLarge, match=r"the result is 1,002 bytes as JSON, the limit is 100; store"):
        codec.encode("x" * 1_000, what="the result", limit=100)


class Raising(pydantic.BaseModel):
    def model_dump(self, **options):
        raise ValueError("not today")


def test_a_model_that_cannot_write_itself_is_refused():
    with pytest.raises(EncodeError, match="not today"):
        codec.encode(Raising())


# --- what cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"{", b"nul", b"\xff\xfe", b"[1,]", b"1 2", b"NaN", b"\x80\x04K\x01."], ids=repr
)
def test_bytes_that_are_not_json_are_refused(data):
    with pytest.raises(DecodeError, match="the result cannot be read"):
        codec.decode(data, what="the result")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'"x"', int),
        (b"[1]", dict),
        (b'{"x":1}', Point),
        (b'"soon"', datetime),
        (b'"pink"', Colour),
        (b'{"number":1}', Card),
        (b'"not hex"', UUID),
        (b"7", Path),
        (b"1", object),
    ],
    ids=repr,
)
def test_json_of_another_type_is_refused_both_ways(data, kind):
    if kind is not object:
        with pytest.raises(DecodeError):
            codec.decode(data, kind)
        with pytest.raises(DecodeError):
            codec.convert(codec.decode(data), kind)


def test_the_place_that_does_not_fit_is_named():
    with pytest.raises(DecodeError, match=r"\$\[1\]\.y"):
        codec.decode(b'[{"x":1,"y":2},{"x":1,"y":"z"}]', list[Point])


class Foreign:
    def __init__(self, *args):
        raise AssertionError("nobody may call this")


@pytest.mark.parametrize("data", [b'{"a":1}', b'"x"', b"[1]"])
def test_a_class_that_we_know_nothing_of_is_never_made(data):
    with pytest.raises(DecodeError):
        codec.decode(data, Foreign)


@pytest.mark.parametrize("kind", [int | str | None, list[Any], "shop.models.Card", int | Path])
def test_asking_whether_a_type_can_be_aimed_at_never_raises(kind):
    assert codec.convertible(kind) in (True, False)


def test_a_union_that_cannot_be_told_apart_is_said_so():
    assert not codec.convertible(Money | Order)
