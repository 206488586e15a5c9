"""What a form or a program sends, read within bounds."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request

MOST_BODY: Final = 1_000_000  # bytes
MOST_FIELDS: Final = 10_000


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form, or of a JSON object; several of one name are joined by line ends.

    Raises:
        HTTPException: it is too large, or neither of the two.
    """
    body = await _body(request)
    if request.headers.get("content-type", "").startswith("application/json"):
        return _from_json(body)
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise HTTPException(415, "send the fields as application/x-www-form-urlencoded, or as JSON")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except (ValueError, UnicodeError) as error:
        raise HTTPException(400, f"the body is no form: {error}") from error
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return fields


async def _body(request: Request) -> bytes:
    whole = bytearray()
    async for chunk in request.stream():
        whole += chunk
        if len(whole) > MOST_BODY:
            raise HTTPException(413, f"the body has more than {MOST_BODY:,} bytes")
    return bytes(whole)


def _from_json(body: bytes) -> dict[str, str]:
    kinds = dict[str, str | int | float | bool | list[str] | None]
    try:
        given = msgspec.json.decode(body or b"{}", type=kinds)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise HTTPException(400, f"the body is no JSON object with plain values: {error}") from error
    return {
        name: _as_field(value) for name, value in given.items() if value is not None and value is not False
    }


def _as_field(value: str | float | bool | list[str] | None) -> str:
    if isinstance(value, list):
        return "\n".join(value)
    return "yes" if value is True else str(value)
