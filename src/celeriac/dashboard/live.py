"""Live pages: one reader for each page that somebody looks at, however many look; streams and polling.

A reader looks at its page again and again, as if somebody had loaded it, and compares. Whoever listens gets
the rows that have changed; whoever comes back says which version he has seen last, and gets what has changed
since.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from celeriac.dashboard import answers, pages
from celeriac.dashboard.regions import Versions, found_in
from celeriac.dashboard.roles import User
from celeriac.dashboard.visit import Missing, Page, Visit
from celeriac.errors import CeleriacError

if TYPE_CHECKING:
    from celeriac.dashboard.site import Site
    from celeriac.dashboard.web import Rooms

FRAME: Final = 0.25  # seconds between two frames at least
LINGER: Final = 10.0  # seconds for which a reader goes on without anybody
PING: Final = 15  # seconds between comments on a stream
RECHECK: Final = 60.0  # seconds after which a stream asks again whether its user is still let in
MOST_STREAMS: Final = 100
MOST_READERS: Final = 200
SHARE: Final = 4.0  # a reader rests this many times as long as its page took

_log: Final = logging.getLogger("celeriac.dashboard")


class Reader:
    """Looks at one page for all who look at it with the same role. Belongs to one event loop."""

    def __init__(self, site: Site, page: Page, visit: Visit) -> None:
        self._site, self._page, self._visit = site, page, visit
        self.nonce = secrets.token_hex(4)
        self.versions = Versions()
        self.trouble = ""  # why the page cannot be read now
        self.gone = False
        self.viewers = 0
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        self._last_used = 0.0
        self.task: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """The version that there is now, for the browser."""
        return f"{self.nonce}.{self.versions.version}"

    def touch(self) -> None:
        """Note that somebody looks."""
        self._last_used = asyncio.get_running_loop().time()

    def told(self, seen: str) -> tuple[str, dict[str, Any]]:
        """Return what to tell somebody who has seen version *seen* last: kind and contents."""
        if self.gone:
            return "gone", {}
        if self.trouble:
            return "trouble", {"text": self.trouble}
        nonce, _, number = seen.partition(".")
        known = nonce == self.nonce and number.isdecimal() and int(number) <= self.versions.version
        changed = self.versions.since(int(number)) if known else None
        if changed is None:
            return "reset", {"regions": self.versions.whole()}
        return ("patch", {"regions": changed}) if changed else ("same", {})

    async def ready(self) -> None:
        """Return when the page has been looked at once."""
        await self._ready.wait()

    @property
    def news(self) -> asyncio.Event:
        """What is set at the next news; take it before asking what there is to tell."""
        return self._news

    def ring(self) -> None:
        """Wake all who wait for news."""
        self._news.set()
        self._news = asyncio.Event()
        self._ready.set()

    async def run(self) -> None:
        """Look again and again, until nobody has for a while."""
        loop = asyncio.get_running_loop()
        self.touch()
        while self.viewers or loop.time() - self._last_used < LINGER:
            began = loop.time()
            if await self._look():
                self.ring()
            self._ready.set()
            if self.gone:
                return
            took = loop.time() - began
            await asyncio.sleep(max(FRAME, self._page.every, SHARE * took))

    async def _look(self) -> bool:
        """Look once; say whether there is anything to tell."""
        before = self.trouble
        try:
            found = await run_in_threadpool(self._read)
        except Missing:
            self.gone = True
            return True
        except CeleriacError as error:
            self.trouble = str(error)
            return self.trouble != before
        except Exception as error:  # noqa: BLE001 - a bug in a page ends its stream's news, and nobody else's
            _log.exception("a live page cannot be made")
            self.trouble = type(error).__name__
            return self.trouble != before
        self.trouble = ""
        return self.versions.put(found) or bool(before)

    def _read(self) -> dict[str, dict[str, list[Any]]]:
        from celeriac.dashboard.web import frame_of

        visit = self._visit.again()
        view = self._page.look(visit)
        return found_in(answers.rendered(visit, self._page.template, frame_of(self._page, visit, view)))


class Live:
    """The readers of one process, and the two addresses at which they are heard."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._readers: dict[tuple[Any, ...], Reader] = {}
        self._streams = 0
        self._over = False
        self._matchers = [(Route(page.path, answers.nothing), page) for page in pages.PAGES]

    def routes(self, rooms: Rooms) -> list[Route]:
        """Their routes."""

        async def stream(request: Request) -> Response:
            user = await rooms.known(request)
            return user if isinstance(user, Response) else await self._stream(request, user)

        async def changes(request: Request) -> Response:
            user = await rooms.known(request)
            return user if isinstance(user, Response) else await self._changes(request, user)

        return [Route("/live", stream, methods=["GET"]), Route("/changes", changes, methods=["GET"])]

    def end(self) -> None:
        """Have all streams say goodbye: the server ends, and browsers shall come back to the next one."""
        self._over = True
        for reader in self._readers.values():
            reader.ring()
            if reader.task is not None:
                reader.task.cancel()

    # --- the two addresses --------------------------------------------------------------------------

    async def _stream(self, request: Request, user: User) -> Response:
        if self._site.live != "stream":
            return answers.problem(request, self._site, 404, "missing", user=user)
        if self._streams >= MOST_STREAMS:
            busy = answers.encoded({"error": "busy"}, 503)
            busy.headers["retry-after"] = "5"
            return busy
        reader = self._reader(request, user)
        if reader is None:
            return answers.problem(request, self._site, 404, "missing", user=user)
        seen = request.headers.get("last-event-id") or request.query_params.get("since", "")
        return EventSourceResponse(
            self._events(request, user, reader, seen),
            ping=PING,
            sep="\n",
            headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"},
        )

    async def _events(
        self, request: Request, user: User, reader: Reader, seen: str
    ) -> AsyncIterator[ServerSentEvent]:
        loop = asyncio.get_running_loop()
        self._streams += 1
        reader.viewers += 1
        checked, last = loop.time(), ("same", dict[str, Any]())
        try:
            await reader.ready()
            while not self._over:
                news = reader.news
                kind, told = reader.told(seen)
                if kind != "same" and (kind, told) != last:
                    seen = reader.id if kind in ("patch", "reset") else seen
                    yield ServerSentEvent(_json(told), event=kind, id=seen, retry=2_000, sep="\n")
                if kind == "gone":
                    return
                last = kind, told
                await _within(PING, news.wait())
                if loop.time() - checked > RECHECK:
                    checked = loop.time()
                    if await self._site.access.user_of(request) != user:
                        break
            yield ServerSentEvent("{}", event="bye", retry=2_000, sep="\n")
        finally:
            self._streams -= 1
            reader.viewers -= 1
            reader.touch()

    async def _changes(self, request: Request, user: User) -> Response:
        reader = None if self._site.live == "off" else self._reader(request, user)
        if reader is None:
            return answers.problem(request, self._site, 404, "missing", user=user)
        await reader.ready()
        reader.touch()
        kind, told = reader.told(request.query_params.get("since", ""))
        return answers.encoded({"kind": kind, "id": reader.id, **told})

    # --- readers ------------------------------------------------------------------------------------

    def _reader(self, request: Request, user: User) -> Reader | None:
        """Return the reader of the page that is asked for; None where there is none to be had."""
        here = request.query_params.get("view", "")
        path, _, query = here.partition("?")
        found = self._page_at(path)
        if found is None:
            return None
        page, parameters = found
        key = (asyncio.get_running_loop(), request.scope.get("root_path", ""), here, user.role)
        reader = self._readers.get(key)
        if reader is None or reader.gone or reader.task is None or reader.task.done():
            if len(self._readers) >= MOST_READERS:
                return None
            visit = answers.visit_at(request, self._site, user, path, query, parameters)
            reader = self._readers[key] = Reader(self._site, page, visit)
            reader.task = asyncio.create_task(reader.run(), name="celeriac-dashboard-reader")
            reader.task.add_done_callback(partial(self._forget, key, reader))
        reader.touch()
        return reader

    def _forget(self, key: tuple[Any, ...], reader: Reader, _: object) -> None:
        if self._readers.get(key) is reader:
            del self._readers[key]

    def _page_at(self, path: str) -> tuple[Page, Mapping[str, str]] | None:
        scope = {"type": "http", "path": path, "method": "GET", "root_path": ""}
        for route, page in self._matchers:
            match, more = route.matches(scope)
            if match is Match.FULL:
                return page, more["path_params"]
        return None


async def _within(seconds: float, waiting: Awaitable[object]) -> None:
    """Wait for so long at most."""
    try:
        await asyncio.wait_for(waiting, seconds)
    except TimeoutError:
        return


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
