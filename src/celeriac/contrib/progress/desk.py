"""Who may see what of which task, and what they are told. It knows no web framework.

Only what a valid ticket names is shown. All else looks alike from outside: a ticket that is forged, one that
is too old, and no ticket at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec

from celeriac.contrib.progress.facts import REFUSED, Facts, facts_of, line_of
from celeriac.errors import OperationalError
from celeriac.outlook import Outlook, lost_on
from celeriac.tickets import Ticket
from celeriac.updates import Update, update_of

if TYPE_CHECKING:
    from celeriac.app import Celeriac

TICK: Final = 5.0  # seconds; within them a viewer hears something
MOST_TOKENS: Final = 50  # in one request
MOST_KNOWN: Final = 1_000  # tasks whose pace is remembered for those who come back
PAUSE: Final = "5"  # seconds after which whoever was turned away may ask again

SCRIPT: Final = (files(__package__) / "element.js").read_bytes()
SCRIPT_HASH: Final = hashlib.sha256(SCRIPT).hexdigest()[:16]
SCRIPT_NAME: Final = f"element-{SCRIPT_HASH}.js"

SAFE: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
STREAM_HEADERS: Final = {
    **SAFE,
    "Cache-Control": "no-store, no-transform",
    "Content-Type": "text/event-stream",
    "X-Accel-Buffering": "no",
}


class Answer(msgspec.Struct, frozen=True):
    """What is answered at once."""

    status: int
    body: bytes
    headers: dict[str, str]


class Audience(msgspec.Struct, frozen=True):
    """Who is answered with a stream: for each token its ticket, None for a token that is worth nothing."""

    tickets: tuple[Ticket | None, ...]


class Desk:
    """Answers requests for one application.

    Args:
        streams: how many it serves at once; who comes later is told to poll.
    """

    def __init__(self, app: Celeriac, streams: int) -> None:
        self.app = app
        self._streams = streams
        self._open = 0
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Outlook] = OrderedDict()

    # --- what is answered at once -------------------------------------------------------------------

    def answer(self, path: str, query: str, *, known: str = "", may_stream: bool = True) -> Answer | Audience:
        """Answer a GET request.

        Args:
            path: what follows the place where this is mounted, without a slash.
            known: the `If-None-Match` header.
            may_stream: whether an answer that takes minutes hinders nobody here.
        """
        path = path.strip("/")
        if path in ("element.js", SCRIPT_NAME):
            return _script(path, known)
        if path not in ("events", "state", "line"):
            return _plain(404, "There is nothing here.")
        tickets = self._tickets(query)
        if tickets is None:
            return _plain(400, f"Show {MOST_TOKENS} tokens at most.")
        if not any(tickets):
            refused = [REFUSED] * max(1, len(tickets))
            return _line(403, REFUSED) if path == "line" else _json(403, refused)
        if path == "events":
            full = not may_stream or self._open >= self._streams
            return _plain(503, "Poll.", {"Retry-After": PAUSE}) if full else Audience(tickets)
        return self._look(path, tickets)

    def _tickets(self, query: str) -> tuple[Ticket | None, ...] | None:
        """Read the tickets in a query; None for too many."""
        try:
            pairs = parse_qsl(query, max_num_fields=MOST_TOKENS)
        except ValueError:
            return None
        reader, now = self.app.tickets, self.app.clock.now()
        return tuple(reader.read(value, now) for name, value in pairs if name == "token")

    def _look(self, path: str, tickets: Sequence[Ticket | None]) -> Answer:
        try:
            told = self.told(tickets)
        except OperationalError:
            return _plain(503, "The task store cannot be reached just now.", {"Retry-After": PAUSE})
        return _line(200, told[0]) if path == "line" else _json(200, told)

    def told(self, tickets: Sequence[Ticket | None]) -> list[Facts]:
        """Read how all of them are now."""
        valid = [ticket for ticket in tickets if ticket is not None]
        records = iter(self.app.broker.get([ticket.id for ticket in valid]))
        talk = Talk(self, tickets)
        for ticket, record in zip(valid, records, strict=True):
            talk.see(update_of(self.app, ticket.id, record))
        return [talk.facts(number) for number in range(len(tickets))]

    # --- what is streamed ---------------------------------------------------------------------------

    def stream(self, audience: Audience) -> Iterator[bytes]:
        """Yield events until all tasks have ended, nobody may see them any more, or the store is away."""
        with self._place() as granted, contextlib.suppress(OperationalError):
            talk = Talk(self, audience.tickets)
            yield from talk.begin()
            if granted and talk.ids:
                for update in self.app.updates(talk.ids, tick=TICK):
                    yield from talk.hear(update)
                    if talk.over:
                        return

    async def astream(self, audience: Audience) -> AsyncIterator[bytes]:
        """Do what `stream` does, without blocking the event loop."""
        import asyncio

        with self._place() as granted, contextlib.suppress(OperationalError):
            talk = Talk(self, audience.tickets)
            for event in talk.begin():
                yield event
            if granted and talk.ids:
                async with contextlib.aclosing(self.app.aupdates(talk.ids, tick=TICK)) as updates:  # type: ignore[type-var]
                    async for update in updates:
                        for event in await asyncio.to_thread(talk.hear, update):
                            yield event
                        if talk.over:
                            return

    @contextlib.contextmanager
    def _place(self) -> Iterator[bool]:
        """Take one of the places, and give it back; say whether there was one."""
        with self._lock:
            granted = self._open < self._streams
            self._open += granted
        try:
            yield granted
        finally:
            with self._lock:
                self._open -= granted

    # --- what is remembered -------------------------------------------------------------------------

    def recall(self, task_id: str) -> Outlook:
        """Return what is known of a task's pace, to go on with."""
        with self._lock:
            known = self._known.get(task_id)
            return Outlook() if known is None else known.copied()

    def remember(self, task_id: str, outlook: Outlook) -> None:
        """Keep what is known of a task's pace, if nobody knows it better."""
        with self._lock:
            known = self._known.get(task_id)
            if known is None or (outlook.pace.heard or 0.0) >= (known.pace.heard or 0.0):
                self._known[task_id] = outlook
            self._known.move_to_end(task_id)
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)


class Talk:
    """One conversation: what its viewer was told last, and what is new. Used by one thread at a time."""

    def __init__(self, desk: Desk, tickets: Sequence[Ticket | None]) -> None:
        self._desk, self._tickets = desk, tickets
        self._clock = desk.app.clock
        self._outlooks: dict[str, Outlook] = {}
        self._is_lost = lost_on(desk.app.broker, self._clock.now)
        self._told: dict[int, Facts] = {}
        self._swept = self._clock.monotonic()
        self.ids = list(dict.fromkeys(ticket.id for ticket in tickets if ticket is not None))

    @property
    def over(self) -> bool:
        """Whether all that there is to tell was told."""
        return len(self._told) == len(self._tickets) and all(each["ready"] for each in self._told.values())

    def begin(self) -> list[bytes]:
        """Return the first events: what is refused."""
        return self._news(number for number, ticket in enumerate(self._tickets) if ticket is None)

    def see(self, update: Update) -> None:
        """Take in how a task is."""
        if update.id not in self._outlooks:
            self._outlooks[update.id] = self._desk.recall(update.id)
        self._outlooks[update.id].see(update, self._clock.monotonic())
        self._desk.remember(update.id, self._outlooks[update.id].copied())

    def hear(self, update: Update | None) -> list[bytes]:
        """Return the events that tell of *update*; of None, which is the time: what has changed with it.

        Raises:
            OperationalError: the time has passed without news because the store is away.
        """
        events: list[bytes] = []
        if update is None:
            self._desk.app.broker.ping()
        if update is not None:
            self.see(update)
            events += self._news(self._numbers(update.id))
        if update is None or self._clock.monotonic() - self._swept >= TICK:
            self._swept = self._clock.monotonic()
            events += self._news(
                n for n, each in enumerate(self._tickets) if each and each.id in self._outlooks
            )
            events.append(event("tick", None))
        return events

    def _numbers(self, task_id: str) -> Iterable[int]:
        return (n for n, ticket in enumerate(self._tickets) if ticket is not None and ticket.id == task_id)

    def _news(self, numbers: Iterable[int]) -> list[bytes]:
        events = []
        for number in numbers:
            facts = self.facts(number)
            if self._told.get(number) != facts:
                self._told[number] = facts
                events.append(event("", [number, facts]))
        return events

    def facts(self, number: int) -> Facts:
        """Return what may be told to the bearer of the ticket with that number."""
        ticket = self._tickets[number]
        if ticket is None or ticket.until <= self._clock.now():
            return REFUSED
        view = self._outlooks[ticket.id].view(self._clock.monotonic(), self._is_lost)
        return facts_of(view, outcome=ticket.outcome)


def event(name: str, data: Any) -> bytes:
    """Write a server-sent event; "" is the usual one."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {_text(data)}\n\n".encode()


def _text(data: Any) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":"))  # in ASCII, so also half a surrogate pair


def _json(status: int, data: Any) -> Answer:
    return Answer(status, _text(data).encode(), {**SAFE, "Content-Type": "application/json"})


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    kind = {"Content-Type": "text/plain; charset=utf-8"}
    return Answer(status, f"{text}\n".encode("utf-8", "replace"), {**SAFE, **kind, **(headers or {})})


def _line(status: int, facts: Facts) -> Answer:
    """Answer with one readable line, which the browser reads again every few seconds until the end."""
    return _plain(status, line_of(facts), {} if facts["ready"] else {"Refresh": PAUSE})


def _script(path: str, known: str) -> Answer:
    fixed = path == SCRIPT_NAME
    headers = {
        **SAFE,
        "Cache-Control": "public, max-age=31536000, immutable" if fixed else "no-cache",
        "Content-Type": "text/javascript; charset=utf-8",
        "ETag": f'"{SCRIPT_HASH}"',
    }
    return Answer(304, b"", headers) if f'"{SCRIPT_HASH}"' in known else Answer(200, SCRIPT, headers)
