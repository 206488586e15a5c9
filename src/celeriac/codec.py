"""The only place that turns values into bytes and back. A leaf: JSON by msgspec, never pickle.

JSON loses what it has no word for, so types come back by annotation: what was encoded from a
`Decimal`, `datetime`, `set` or dataclass is a string, list or object in the store and becomes its own
type again where the reader names that type.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Final

import msgspec

from celeriac.errors import DecodeError, EncodeError, PayloadTooLarge, SecurityError

NOTHING: Final = b""
SEALED: Final = b"\xc1"  # what is signed or encrypted begins so, and no JSON text; see `keyring`
REFUSED: Final = SEALED + b"!"  # and this stands for what cannot be trusted; the reason follows, up to
END: Final = b"\0"
_LONGEST_REASON: Final = 500
# msgspec refuses subclasses of these (a template's safe string, say); their base's own form is exact.
_PLAIN: Final[dict[type, Callable[[Any], Any]]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
}


def _encode_hook(value: Any) -> Any:
    """Give msgspec something it can write for a type that it does not know."""
    for kind, plain in _PLAIN.items():
        if isinstance(value, kind):
            return plain(value)
    if isinstance(value, PurePath):
        return os.fspath(value)
    dump = getattr(value, "model_dump", None)  # pydantic, without importing it
    if callable(dump):
        return dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} has no JSON form")


def _decode_hook(kind: type, value: Any) -> Any:
    """Build a *kind* that msgspec does not know from the plain *value*."""
    if isinstance(kind, type):
        if isinstance(value, kind):
            return value
        if issubclass(kind, PurePath):
            return kind(value)
        validate = getattr(kind, "model_validate", None)
        if callable(validate):
            return validate(value)
    raise TypeError(f"cannot become {getattr(kind, '__qualname__', kind)}")


_encoder: Final = msgspec.json.Encoder(enc_hook=_encode_hook)
_decoder: Final = msgspec.json.Decoder()


def encode(value: Any, *, what: str = "value", limit: int | None = None) -> bytes:
    """Write *value* as JSON.

    Args:
        value: anything made of JSON types, dataclasses, msgspec structs, pydantic models, datetime,
            date, time, timedelta, UUID, Decimal, Enum, bytes, set, tuple and Path.
        what: how an error names the value.
        limit: the most bytes that the result may have; None for no limit.

    Raises:
        EncodeError: something in it has no JSON form, or is NaN or infinite (JSON has neither).
        PayloadTooLarge: the JSON text is longer than *limit*.
    """
    try:
        data = _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodeError(f"{what} cannot be serialised: {_reason(error)}") from error
    if b"null" in data and (path := _find_nan(value)) is not None:
        raise EncodeError(
            f"{what} cannot be serialised: {path or 'it'} is NaN or infinite, which JSON cannot hold"
        )
    if limit is not None and len(data) > limit:
        raise PayloadTooLarge(
            f"{what} is {len(data):,} bytes as JSON, the limit is {limit:,}; "
            "store the data elsewhere and send its address, or raise the limit"
        )
    return data


def canonical(value: Any, *, what: str = "value") -> bytes:
    """Write *value* as `encode` does, but equal values always as the same bytes.

    A set has another order in each process, and a dict the order of its making; here both are sorted.

    Raises:
        EncodeError: as `encode` does.
    """
    try:
        in_order = _sorted(value)
    except (EncodeError, RecursionError):  # `encode` says where it is
        in_order = value
    return encode(in_order, what=what)


def _sorted(value: Any) -> Any:
    """Return *value* with everything in it in one order, that of its JSON."""
    if isinstance(value, set | frozenset):
        return sorted(map(_sorted, value), key=encode)
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value, key=encode)}
    if dataclasses.is_dataclass(value) or isinstance(value, msgspec.Struct):
        return {name: _sorted(getattr(value, name)) for name in _field_names(type(value))}
    dump = getattr(value, "model_dump", None)
    return _sorted(dump(mode="json")) if callable(dump) else value


def readable(value: Any, *, what: str = "value") -> str:
    """Write *value* as one line of JSON in which everything can be seen: the rest is escaped.

    Raises:
        EncodeError: as `encode` does.
    """
    text = encode(value, what=what).decode()
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _reason(error: BaseException) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _find_nan(value: Any) -> str | None:
    """Return where a NaN or an infinity stands in *value*; msgspec writes both as null."""
    waiting = [("", value)]
    while waiting:  # not recursive: msgspec goes deeper than Python may
        path, item = waiting.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return path
        waiting.extend(reversed([*_children(path, item)]))
    return None


def _children(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Return the parts of *value*, each with where it stands."""
    if isinstance(value, Mapping):
        return [(f"{path}[{key!r}]", item) for key, item in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    if isinstance(value, Enum):
        return [(path, value.value)]
    if dataclasses.is_dataclass(value) or isinstance(value, msgspec.Struct):
        return [(f"{path}.{name}", getattr(value, name)) for name in _field_names(type(value))]
    dump = getattr(value, "model_dump", None)
    return [(path, dump())] if callable(dump) else []


def _field_names(kind: Any) -> tuple[str, ...]:
    if issubclass(kind, msgspec.Struct):
        return tuple(kind.__struct_fields__)
    return tuple(field.name for field in dataclasses.fields(kind))


def decode(data: bytes, kind: Any = Any, *, what: str = "value") -> Any:
    """Read JSON *data*; with *kind* a type, return that type (`b""` is None).

    Raises:
        DecodeError: the bytes are not JSON, or cannot become *kind*.
        SecurityError: they are signed or encrypted, and were not opened.
    """
    if not data:
        return None
    try:
        return _decoder.decode(data) if kind is Any else _typed_decoder(kind).decode(data)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        if data.startswith(SEALED):
            raise SecurityError(f"{what} cannot be read: {_why_sealed(data)}") from None
        raise DecodeError(f"{what} cannot be read: {_reason(error)}") from error


def _why_sealed(data: bytes) -> str:
    if not data.startswith(REFUSED):
        return "it is signed or encrypted, and this process has no security_keys"
    return data[len(REFUSED) :].partition(END)[0][:_LONGEST_REASON].decode("utf-8", "replace")


def convert(value: Any, kind: Any, *, what: str = "value") -> Any:
    """Turn plain *value* into *kind*, as `decode` would have.

    Raises:
        DecodeError: it cannot become one.
    """
    try:
        return msgspec.convert(value, kind, dec_hook=_decode_hook, builtin_types=(), str_keys=True)
    except (msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
        raise DecodeError(f"{what} cannot be read: {_reason(error)}") from error


def convertible(kind: Any) -> bool:
    """Say whether *kind* is a type that `convert` can aim at (some unions cannot be told apart)."""
    try:
        _typed_decoder(kind)
    except Exception:  # noqa: BLE001 - a foreign annotation may raise anything when looked into
        return False
    return True


@lru_cache(maxsize=1024)
def _typed_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=_decode_hook)
