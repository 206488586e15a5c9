"""Coming in and going out: the one-time address, the form with name and password, the way out."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from celeriac.dashboard import answers, sessions
from celeriac.dashboard.forms import form_of
from celeriac.dashboard.site import Site
from celeriac.dashboard.visit import Done, Visit

YEAR: Final = 365 * 86_400
WRONG_A_MINUTE: Final = 10  # passwords; each costs the server as much as a right one


class Doors:
    """The addresses by which one comes in and goes out."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._wrong: deque[float] = deque(maxlen=WRONG_A_MINUTE)

    @property
    def routes(self) -> list[Route]:
        """Their routes."""
        return [
            Route("/login", self._show, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            Route("/settings/theme", self._set_theme, methods=["POST"]),
        ]

    async def stranger(self, request: Request) -> Response:
        """Answer somebody who is not known: exchange a token, ask for a password, or say where to get in."""
        site = self._site
        if request.method == "GET" and (cookie := site.access.admit(request)):
            answer = RedirectResponse(_without_token(request), 303)
            self._set(request, answer, cookie)
            return answer
        if answers.is_told_as_json(request) or request.method not in ("GET", "HEAD"):
            return answers.problem(request, site, 401, "stranger")
        if site.access.logs_in:
            where = f"{request.scope.get('root_path', '')}/login"
            return RedirectResponse(f"{where}?{urlencode({'next': _address(request)})}", 303)
        kind = "local" if site.access.once else "asked"
        hint = site.say(f"error.stranger.{kind}")
        return answers.problem(request, site, 403, "stranger", hint=hint)

    def exchange(self, request: Request) -> Response | None:
        """Take a token out of the address of somebody who is known already."""
        if "token" not in request.query_params or request.method != "GET" or answers.is_api(request):
            return None
        return RedirectResponse(_without_token(request), 303)

    async def _show(self, request: Request) -> Response:
        return self._form(request, "", 200, to=request.query_params.get("next", "/"))

    def _form(self, request: Request, wrong: str, status: int, name: str = "", to: str = "/") -> Response:
        if not self._site.access.logs_in:
            return answers.problem(request, self._site, 404, "missing")
        visit = Visit(self._site, answers.STRANGER, root=request.scope.get("root_path", ""), here="/login")
        values = {"wrong": wrong, "name": name, "next": _local(to)}
        return answers.page(request, visit, "login.html", values, status)

    async def _log_in(self, request: Request) -> Response:
        if not self._site.access.logs_in:
            return answers.problem(request, self._site, 404, "missing")
        form = await form_of(request)
        name, password, to = form.get("name", ""), form.get("password", ""), form.get("next", "/")
        if self._too_often():
            return self._form(request, "login.often", 429, name, to)
        cookie = await run_in_threadpool(self._site.access.log_in, name[:200], password[:1_000])
        if not cookie:
            self._note_wrong()
            return self._form(request, "login.wrong", 403, name, to)
        answer = RedirectResponse(request.scope.get("root_path", "") + _local(to), 303)
        self._set(request, answer, cookie)
        return answer

    async def _log_out(self, request: Request) -> Response:
        visit = Visit(self._site, answers.STRANGER, root=request.scope.get("root_path", ""))
        to = "/login" if self._site.access.logs_in else "/"
        answer = answers.gone_on(request, visit, Done(self._site.say("login.out"), to))
        answer.delete_cookie(self._site.access.cookie, path=visit.root or "/")
        return answer

    async def _set_theme(self, request: Request) -> Response:
        """Keep in the browser what it shall look like; that is nobody's secret."""
        form = await form_of(request)
        theme = form.get("theme", "")
        root = request.scope.get("root_path", "")
        answer = RedirectResponse(root + _local(form.get("to", "/")), 303)
        if theme in answers.THEMES:
            answer.set_cookie(answers.THEME_COOKIE, theme, max_age=YEAR, path=root or "/", samesite="lax")
        return answer

    def _set(self, request: Request, answer: Response, cookie: str) -> None:
        answer.set_cookie(
            self._site.access.cookie,
            cookie,
            max_age=int(sessions.LIFE),
            path=request.scope.get("root_path", "") or "/",
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )

    def _too_often(self) -> bool:
        now = self._site.app.clock.monotonic()
        with self._lock:
            return len(self._wrong) == WRONG_A_MINUTE and now - self._wrong[0] < 60

    def _note_wrong(self) -> None:
        with self._lock:
            self._wrong.append(self._site.app.clock.monotonic())


def _address(request: Request) -> str:
    return answers.here(request) + (f"?{request.url.query}" if request.url.query else "")


def _without_token(request: Request) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
    path: str = request.scope.get("root_path", "") + answers.here(request)
    return path + (f"?{urlencode(kept)}" if kept else "")


def _local(address: str) -> str:
    """Return *address* if it leads to a page of ours, else the first page: nobody is sent elsewhere."""
    is_ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_ours and "\\" not in address else "/"
