"""Who is let in: nobody without being known, unless somebody has written "open"."""

from __future__ import annotations

import inspect
import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from celeriac.clock import Clock
from celeriac.dashboard import sessions
from celeriac.dashboard.roles import Role, User, role_of
from celeriac.dashboard.users import Users
from celeriac.errors import ConfigurationError

Answer = User | str | None
Check = Callable[[Any], Answer | Awaitable[Answer]]
AccessOption = Check | Literal["open"]

DECIDED: Final = "celeriac.user"  # where a shell that has asked already puts the answer into the scope


class Access(ABC):
    """Says who sends a request."""

    logs_in = False  # whether a name and a password let in
    cookie_based = False  # whether one can go out again
    once = False  # whether an address lets in, once
    cookie = "celeriac_session"

    @abstractmethod
    async def user_of(self, request: Request) -> User | None:
        """Return who it is; None for a stranger."""

    def admit(self, request: Request) -> str:  # noqa: ARG002 - for those that know one-time tokens
        """Return the cookie that the token in the request's address is exchanged for; "" for none."""
        return ""

    def log_in(self, name: str, password: str) -> str:  # noqa: ARG002 - for those that know passwords
        """Return the cookie of a user whose password is right; "" for a stranger."""
        return ""


class Open(Access):
    """Lets everybody in: somebody has written so."""

    async def user_of(self, request: Request) -> User:  # noqa: ARG002 - all are the same
        """Return an administrator without a name."""
        return User("anyone", Role.ADMIN)


class Asked(Access):
    """Asks the application that the dashboard is mounted in.

    Args:
        check: called with the request; returns a role's name, a `User`, or None.
    """

    def __init__(self, check: Check) -> None:
        self._check = check

    async def user_of(self, request: Request) -> User | None:
        """Return what the application says; a shell may have asked it already."""
        if DECIDED in request.scope:
            decided: User | None = request.scope[DECIDED]
            return decided
        answer = await run_in_threadpool(self._check, request)
        if inspect.isawaitable(answer):
            answer = await answer
        return user_from(answer)


def user_from(answer: Any) -> User | None:
    """Make a user of what an application's check returned.

    Raises:
        ConfigurationError: it is neither None nor a role nor a user. True is none of these: nobody becomes an
            administrator because some check says yes.
    """
    if answer is None or isinstance(answer, User):
        return answer
    if isinstance(answer, str):
        return User("somebody", role_of(answer))
    raise ConfigurationError(
        f"access= returned {type(answer).__name__}; it returns None, 'viewer', 'operator', 'admin' or a User"
    )


class _WithCookie(Access):
    """Knows its users by a cookie."""

    cookie_based = True

    def __init__(self, clock: Clock, port: int) -> None:
        self._clock = clock
        if port:  # cookies are not kept apart by port: two dashboards on one host must not share one
            self.cookie = f"{self.cookie}_{port}"

    @property
    @abstractmethod
    def _secret(self) -> str: ...

    @abstractmethod
    def _known(self, name: str) -> User | None: ...

    @abstractmethod
    def _stamp(self, name: str) -> str: ...

    async def user_of(self, request: Request) -> User | None:
        """Return whom the cookie names, if we have made it."""
        return await run_in_threadpool(self._by_cookie, request.cookies.get(self.cookie, ""))

    def _by_cookie(self, cookie: str) -> User | None:
        name = sessions.name_in(cookie, self._clock.now())
        if not name or not sessions.is_genuine(cookie, self._secret, name, self._stamp(name)):
            return None
        return self._known(name)

    def _cookie_for(self, name: str) -> str:
        until = self._clock.now() + sessions.LIFE
        return sessions.signed(self._secret, name, self._stamp(name), until)


class Local(_WithCookie):
    """Lets in whoever has the address that was printed in the terminal, once each.

    Args:
        token: what the address ends with. port: of the server.
    """

    once = True
    _secret = ""

    def __init__(self, clock: Clock, token: sessions.OneTime, port: int = 0) -> None:
        super().__init__(clock, port)
        self._secret = secrets.token_hex(32)
        self._token = token

    def _known(self, name: str) -> User | None:
        return User(name, Role.ADMIN)

    def _stamp(self, name: str) -> str:  # noqa: ARG002 - all have the same
        return ""

    def admit(self, request: Request) -> str:
        """Exchange the token of the address for a cookie."""
        token = request.query_params.get("token", "")
        return self._cookie_for("local") if token and self._token.spend(token) else ""


class Registered(_WithCookie):
    """Lets in those who are in a file, by password or by token.

    Args:
        users: the file. port: of the server.
    """

    logs_in = True

    def __init__(self, clock: Clock, users: Users, port: int = 0) -> None:
        super().__init__(clock, port)
        self._users = users

    @property
    def _secret(self) -> str:
        return self._users.contents.secret

    def _known(self, name: str) -> User | None:
        return self._users.user(name)

    def _stamp(self, name: str) -> str:
        return self._users.stamp(name)

    async def user_of(self, request: Request) -> User | None:
        """Return whom a bearer token belongs to, else whom the cookie names."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and token:
            return await run_in_threadpool(self._users.bearer, token.strip())
        return await super().user_of(request)

    def log_in(self, name: str, password: str) -> str:
        """Check a password."""
        user = self._users.check(name, password)
        return "" if user is None else self._cookie_for(user.name)


def access_of(option: AccessOption | None) -> Access:
    """Make an access of what was given for `access=`.

    Raises:
        ConfigurationError: nothing was given, or something else than a function or "open".
    """
    if option == "open":
        return Open()
    if callable(option):
        return Asked(option)
    raise ConfigurationError(
        "say who may see the dashboard: access=a function that is given the request and returns None, "
        "'viewer', 'operator', 'admin' or a User with a name; access='open' lets everybody do everything"
    )
