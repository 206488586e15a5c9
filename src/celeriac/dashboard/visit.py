"""One request as the pages see it, and what they answer: pages are looked at, actions change something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from celeriac.dashboard.roles import Role, User
from celeriac.errors import CeleriacError

if TYPE_CHECKING:
    from celeriac.app import Celeriac
    from celeriac.dashboard.site import Site


class Missing(CeleriacError):
    """There is nothing at this address; the text says what was looked for."""


class Unclear(CeleriacError):
    """The request lacks something, or has something that cannot be read; the text says what."""


class Refused(CeleriacError):
    """It was asked for, and will not be done; the text says why."""


class Visit:
    """One request of one user.

    Attributes:
        api: whether a program asks.
        path, query, form: what the address and the form say. root: what stands before every address.
        here: the address itself, below the root, with its query.
    """

    def __init__(
        self,
        site: Site,
        user: User,
        *,
        root: str = "",
        here: str = "/",
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        api: bool = False,
    ) -> None:
        self.site, self.user, self.root, self.here = site, user, root, here
        self.path, self.query, self.form = path or {}, query or {}, form or {}
        self.api = api
        self.now = site.app.clock.now()

    def again(self) -> Visit:
        """Return the same visit, now."""
        return Visit(
            self.site,
            self.user,
            root=self.root,
            here=self.here,
            path=self.path,
            query=self.query,
            form=self.form,
        )

    @property
    def app(self) -> Celeriac:
        """The application."""
        return self.site.app

    def may(self, role: str) -> bool:
        """Say whether the user may do what *role* may, here and now."""
        return not self.site.read_only and self.user.role >= Role[role.upper()]

    def url(self, path: str, **query: Any) -> str:
        """Return the address of *path* (quoted where need be), with what is not None in the query."""
        given = {name: value for name, value in query.items() if value is not None and value != ""}
        return f"{self.root}{path}" + (f"?{urlencode(given)}" if given else "")

    def task(self, id: str) -> str:
        """Return the address of a task's page."""
        return self.url(f"/tasks/{quote(id, safe='')}")

    def named(self, source: Mapping[str, str], key: str = "name") -> str:
        """Return what a form or query says.

        Raises:
            Unclear: it says nothing.
        """
        value = source.get(key, "")
        if not value:
            raise Unclear(f"the request lacks {key!r}")
        return value


class Page(msgspec.Struct, frozen=True):
    """Something to look at.

    Attributes:
        path: its address, and below `/api/v1` that of its JSON twin. look: returns what is shown there.
        template: that shows it. section: which word of the navigation it belongs to.
        api: the twin's address where it is another one. every: seconds between two looks, when it is live.
    """

    path: str
    template: str
    look: Callable[[Visit], Any]
    section: str = ""
    api: str = ""
    every: float = 1.0


class Done(msgspec.Struct, frozen=True):
    """What came of an action.

    Attributes:
        text: one sentence. to: the address where one goes on, below the root. ok: whether it was done.
        data: more for programs.
    """

    text: str
    to: str
    ok: bool = True
    data: dict[str, Any] = {}


class Question(msgspec.Struct, frozen=True):
    """What is asked before an action that cannot be undone.

    Attributes:
        title: a question. facts: what would happen, one sentence each. verb: on the button. back: the address
            of who does not want that. typed: what has to be typed first; "" for nothing.
        named: those with which it would be done, or the first of them.
        harmless: whether it destroys nothing, so that its button need not warn.
    """

    title: str
    facts: tuple[str, ...]
    verb: str
    back: str
    typed: str = ""
    named: tuple[str, ...] = ()
    harmless: bool = False


class Action(msgspec.Struct, frozen=True):
    """Something to do, by POST.

    Attributes:
        role: who may, at least. act: does it, and has it noted who did (see `Celeriac.acted`).
        asks: returns what to ask first, None for nothing; without it nothing is ever asked.
        needs: returns who may do what the form says, where that is not the same for all.
    """

    path: str
    role: Role
    act: Callable[[Visit], Done]
    asks: Callable[[Visit], Question | None] | None = None
    needs: Callable[[Visit], Role] | None = None
