"""All tasks that a filter means as a file, sent page by page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final

from starlette.responses import Response, StreamingResponse

from celeriac import exporting
from celeriac.dashboard.visit import Unclear, Visit
from celeriac.exporting import Kind

MOST: Final = 1_000_000  # tasks
KINDS: Final = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
_PIECE: Final = 200  # lines that are sent at once


def exported(visit: Visit) -> Response:
    """Begin to send them: what can be wrong with the question is known before the first line.

    Raises:
        Unclear: there is no such format. InvalidFilter: the filter cannot be read.
        OperationalError: the store is away.
    """
    kind = _kind(visit)
    found = exporting.lines(
        visit.app,
        visit.site.meant(visit.query.get("q", "").strip()),
        kind,
        hidden=visit.site.hiding.keys,
        most=MOST,
    )
    first = [line for line in (next(found, None),) if line is not None]
    return StreamingResponse(
        _pieces(chain(first, found)),
        media_type=KINDS[kind],
        headers={"content-disposition": f'attachment; filename="tasks.{kind}"'},
    )


def _kind(visit: Visit) -> Kind:
    given = visit.query.get("format", "") or "csv"
    for kind in exporting.KINDS:
        if kind == given:
            found: Kind = kind
            return found
    raise Unclear(visit.site.say("export.format", given=given))


def _pieces(lines: Iterator[str]) -> Iterator[bytes]:
    piece: list[str] = []
    for line in lines:
        piece.append(line)
        if len(piece) >= _PIECE:
            yield _encoded(piece)
            piece = []
    if piece:
        yield _encoded(piece)


def _encoded(piece: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in piece).encode("utf-8", "backslashreplace")
