"""What is sent back: pages, JSON, redirections that carry a sentence; and problems, told to anybody."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from celeriac.brokers import masked
from celeriac.dashboard import words
from celeriac.dashboard.guard import is_bearer
from celeriac.dashboard.roles import Role, User
from celeriac.dashboard.site import Site
from celeriac.dashboard.visit import Done, Visit

API: Final = "/api/v1"
HEALTH: Final = "/healthz"  # answers everybody, by whatever name: it tells nothing that helps anybody
STRANGER: Final = User("", Role.VIEWER)
THEMES: Final = ("system", "light", "dark")
THEME_COOKIE: Final = "celeriac_theme"
SAID_FOR: Final = 60  # seconds
LONGEST_SAID: Final = 600  # characters

SECTIONS: Final = (  # the navigation: section, address, the key that leads there after g
    ("overview", "/", "o"),
    ("tasks", "/tasks", "t"),
    ("queues", "/queues", "q"),
    ("workers", "/workers", "w"),
    ("names", "/names", "n"),
    ("schedules", "/schedules", "s"),
    ("dead", "/dead", "d"),
    ("flows", "/flows", "f"),
    ("activity", "/activity", "a"),
)


def here(request: Request) -> str:
    """Return a request's address below the root, without the query."""
    root, path = request.scope.get("root_path", ""), request.scope["path"]
    return (path.removeprefix(root) if root else path) or "/"


def is_api(request: Request) -> bool:
    """Say whether a program asks."""
    return here(request).startswith(f"{API}/")


def is_told_as_json(request: Request) -> bool:
    """Say whether problems are told as JSON: to whoever asks the twin of a page, or comes with a token."""
    return is_api(request) or is_bearer(request.headers)


def encoded(value: Any, status: int = 200) -> Response:
    """Answer a program."""
    body = msgspec.json.encode(value, enc_hook=str)
    return Response(body, status, media_type="application/json")


def visit_of(request: Request, site: Site, user: User, form: Mapping[str, str] | None = None) -> Visit:
    """Make a visit of a request."""
    query = request.url.query
    return Visit(
        site,
        user,
        root=request.scope.get("root_path", ""),
        here=here(request) + (f"?{query}" if query else ""),
        path=request.path_params,
        query=request.query_params,
        form=form,
        api=is_api(request),
    )


def visit_at(
    request: Request, site: Site, user: User, path: str, query: str, parameters: Mapping[str, str]
) -> Visit:
    """Make a visit of another address than the request's own."""
    return Visit(
        site,
        user,
        root=request.scope.get("root_path", ""),
        here=path + (f"?{query}" if query else ""),
        path=parameters,
        query=dict(parse_qsl(query)),
    )


async def nothing(_: Request) -> Response:
    """Answer nothing: stands where a route is only compared."""
    return Response(status_code=404)


def page(
    request: Request, visit: Visit, template: str, values: Mapping[str, Any], status: int = 200
) -> Response:
    """Fill in a template, and tell in it what the action before this page has said."""
    said = _said(request, visit.site)
    html = rendered(visit, template, values, theme=theme_of(request), said=said)
    answer = Response(html.encode("utf-8", "replace"), status, media_type="text/html")
    if said is not None:
        answer.delete_cookie(_said_cookie(visit.site), path=visit.root or "/")
    return answer


def rendered(
    visit: Visit,
    template: str,
    values: Mapping[str, Any],
    *,
    theme: str = "system",
    said: dict[str, Any] | None = None,
) -> str:
    """Return a page as text."""
    site = visit.site
    frame = {
        "v": visit,
        "site": site,
        "sections": SECTIONS,
        "theme": theme,
        "said": said,
        "store": masked(site.app.broker_url),
        "namespace": site.namespace,
        "place": site.name if visit.user.name else site.app.main,
        "section": "",
        "live": "off",
        "api": "",
    }
    return site.render(template, {**frame, **values})


def theme_of(request: Request) -> str:
    """Return what the browser was told to look like."""
    theme = request.cookies.get(THEME_COOKIE, "system")
    return theme if theme in THEMES else "system"


# --- after an action ------------------------------------------------------------------------------------


def gone_on(request: Request, visit: Visit, done: Done) -> Response:
    """Send the browser on to a page that then says what was done."""
    answer = RedirectResponse(visit.root + done.to, 303)
    text = base64.urlsafe_b64encode(msgspec.json.encode([done.ok, done.text[:LONGEST_SAID]])).decode()
    answer.set_cookie(
        _said_cookie(visit.site),
        text,
        max_age=SAID_FOR,
        path=visit.root or "/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


def _said_cookie(site: Site) -> str:
    return f"{site.access.cookie}_said"


def _said(request: Request, site: Site) -> dict[str, Any] | None:
    text = request.cookies.get(_said_cookie(site))
    if not text:
        return None
    try:
        ok, said = msgspec.json.decode(base64.urlsafe_b64decode(text), type=tuple[bool, str])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return {"ok": True, "text": ""}
    return {"ok": ok, "text": said}


# --- problems -------------------------------------------------------------------------------------------


def problem(
    request: Request, site: Site, status: int, kind: str, *, user: User = STRANGER, **values: Any
) -> Response:
    """Say what is wrong, in the words of `words`, to whoever asks."""
    titled = kind if words.knows(f"error.{kind}.title") else "role"
    title, text = site.say(f"error.{titled}.title"), site.say(f"error.{kind}.text", **values)
    hint = site.say(f"error.{kind}.hint") if words.knows(f"error.{kind}.hint") else values.get("hint", "")
    if is_told_as_json(request):
        return encoded({"error": kind, "text": text, "hint": hint or None}, status)
    visit = Visit(site, user, root=request.scope.get("root_path", ""), here=here(request))
    shown = {"title": title, "text": text, "hint": hint, "status": status}
    html = rendered(visit, "problem.html", shown, theme=theme_of(request))
    return Response(html.encode("utf-8", "replace"), status, media_type="text/html")
