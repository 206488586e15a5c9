"""The dashboard as an ASGI application: who may come in, which page or action it is, what is answered."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from celeriac.dashboard import answers, pages
from celeriac.dashboard.answers import API
from celeriac.dashboard.doors import Doors
from celeriac.dashboard.exports import exported
from celeriac.dashboard.forms import form_of
from celeriac.dashboard.guarding import Guarded
from celeriac.dashboard.live import Live
from celeriac.dashboard.roles import Role, User
from celeriac.dashboard.site import Site, static_files, static_hash
from celeriac.dashboard.visit import Action, Missing, Page, Refused, Visit
from celeriac.errors import CeleriacError, OperationalError

KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
Endpoint = Callable[[Request], Awaitable[Response]]

_log: Final = logging.getLogger("celeriac.dashboard")


def build(site: Site) -> ASGIApp:
    """Make the application of a dashboard."""
    doors, live = Doors(site), Live(site)
    rooms = Rooms(site, doors)
    routes: list[BaseRoute] = [
        Route("/static/{version}/{name:path}", _static, methods=["GET"]),
        Route(answers.HEALTH, rooms.health, methods=["GET"]),
        Route("/export/tasks", rooms.export, methods=["GET"]),
        Route(API + "/export/tasks", rooms.export, methods=["GET"]),
        *doors.routes,
        *live.routes(rooms),
    ]
    for page in pages.PAGES:
        routes.append(Route(page.path, rooms.page(page), methods=["GET"]))
        routes.append(Route(API + (page.api or page.path), rooms.page(page), methods=["GET"]))
    for action in pages.ACTIONS:
        routes.append(Route(action.path, rooms.action(action), methods=["POST"]))
        routes.append(Route(API + action.path, rooms.action(action), methods=["POST"]))
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: rooms.lost, Exception: rooms.broken},
    )
    app.state.site = site
    site.at_end.append(live.end)
    return Guarded(app, site)


class Rooms:
    """Makes an endpoint of each page and action."""

    def __init__(self, site: Site, doors: Doors) -> None:
        self._site, self._doors = site, doors

    async def known(self, request: Request) -> User | Response:
        """Return who asks, or what to answer a stranger."""
        user = await self._site.access.user_of(request)
        if user is None:
            return await self._doors.stranger(request)
        return self._doors.exchange(request) or user

    def page(self, page: Page) -> Endpoint:
        """Make the endpoint of a page, or of its twin for programs."""

        async def endpoint(request: Request) -> Response:
            user = await self.known(request)
            if isinstance(user, Response):
                return user
            return await run_in_threadpool(self._shown, request, page, user)

        return endpoint

    def _shown(self, request: Request, page: Page, user: User) -> Response:
        visit = answers.visit_of(request, self._site, user)
        try:
            view = page.look(visit)
        except CeleriacError as error:
            return self._told(request, user, error)
        if answers.is_api(request):
            return answers.encoded(view)
        return answers.page(request, visit, page.template, frame_of(page, visit, view))

    def action(self, action: Action) -> Endpoint:
        """Make the endpoint of an action."""

        async def endpoint(request: Request) -> Response:
            user = await self.known(request)
            if isinstance(user, Response):
                return user
            if self._site.read_only:
                return answers.problem(request, self._site, 403, "read_only", user=user)
            if user.role < action.role:
                return self._unfit(request, user, action.role)
            form = await form_of(request)
            return await run_in_threadpool(self._acted, request, action, user, form)

        return endpoint

    def _acted(self, request: Request, action: Action, user: User, form: dict[str, str]) -> Response:
        visit = answers.visit_of(request, self._site, user, form)
        needed = action.needs(visit) if action.needs else action.role
        if user.role < needed:
            return self._unfit(request, user, needed)
        try:
            if not answers.is_api(request) and (asked := self._asked(request, action, visit)):
                return asked
            with self._site.app.acting(user.name):
                done = action.act(visit)
            self._site.remembered.forget()
        except CeleriacError as error:
            return self._told(request, user, error)
        _log.info(
            "operator action",
            extra={"user": user.name, "action": action.path, "ok": done.ok, "said": done.text},
        )
        if answers.is_api(request):
            return answers.encoded({"ok": done.ok, "text": done.text, **done.data}, 200 if done.ok else 409)
        return answers.gone_on(request, visit, done)

    def _unfit(self, request: Request, user: User, needed: Role) -> Response:
        """Say which role it takes."""
        yours = user.role.word
        return answers.problem(request, self._site, 403, "role", user=user, needed=needed.word, yours=yours)

    def _asked(self, request: Request, action: Action, visit: Visit) -> Response | None:
        """Return the page that asks whether this is meant; None when it was asked, or need not be."""
        question = action.asks(visit) if action.asks else None
        if question is None:
            return None
        is_mistyped = bool(question.typed) and visit.form.get("typed", "").strip() != question.typed
        if visit.form.get("sure") == "yes" and not is_mistyped:
            return None
        kept = {name: value for name, value in visit.form.items() if name not in ("sure", "typed")}
        values = {
            "question": question,
            "action": visit.root + answers.here(request),
            "kept": kept,
            "mistyped": is_mistyped and visit.form.get("sure") == "yes",
        }
        return answers.page(request, visit, "confirm.html", values)

    def _told(self, request: Request, user: User, error: CeleriacError) -> Response:
        """Say why there is no page."""
        if isinstance(error, Missing):
            return answers.problem(request, self._site, 404, "missing", user=user, hint=str(error))
        if isinstance(error, OperationalError):
            _log.warning("the store cannot be reached", extra={"reason": str(error)})
            return answers.problem(request, self._site, 503, "store", user=user, error=error)
        if isinstance(error, Refused):
            return answers.problem(request, self._site, 409, "refused", user=user, error=error)
        return answers.problem(request, self._site, 400, "unclear", user=user, error=error)

    async def export(self, request: Request) -> Response:
        """Send all tasks that a filter means, as a file."""
        user = await self.known(request)
        if isinstance(user, Response):
            return user
        visit = answers.visit_of(request, self._site, user)
        try:
            return await run_in_threadpool(exported, visit)
        except CeleriacError as error:
            return self._told(request, user, error)

    async def health(self, request: Request) -> Response:
        """Say whether the store answers; to everybody, and nothing else."""
        del request
        try:
            await run_in_threadpool(self._site.app.broker.ping)
        except CeleriacError:
            return answers.encoded({"ok": False}, 503)
        return answers.encoded({"ok": True})

    async def lost(self, request: Request, error: Exception) -> Response:
        """Answer at an address where nothing is."""
        status = error.status_code if isinstance(error, HTTPException) else 404
        kind = "method" if status == 405 else "missing"
        if kind == "missing" and isinstance(error, HTTPException) and status >= 400 and status != 404:
            kind = "unclear" if status == 400 else "refused"
            return answers.problem(request, self._site, status, kind, error=error.detail)
        return answers.problem(request, self._site, status, kind)

    async def broken(self, request: Request, error: Exception) -> Response:
        """Answer when a page has a bug; Starlette raises the error again, and the server logs it."""
        return answers.problem(request, self._site, 500, "bug", error=type(error).__name__)


def frame_of(page: Page, visit: Visit, view: object) -> dict[str, object]:
    """Return what the template of *page* is given besides the frame."""
    address = API + (page.api or visit.here.partition("?")[0])
    query = visit.here.partition("?")[2]
    return {
        "view": view,
        "section": page.section,
        "live": visit.site.live,
        "api": address + (f"?{query}" if query else ""),
    }


async def _static(request: Request) -> Response:
    name, version = request.path_params["name"], request.path_params["version"]
    body = static_files().get(name)
    if body is None:
        raise HTTPException(404)
    kind = KINDS[name[name.rindex(".") :]]
    is_kept = version == static_hash()
    kept = {"cache-control": "public, max-age=31536000, immutable"} if is_kept else {}
    return Response(body, media_type=f"{kind}", headers=kept)
