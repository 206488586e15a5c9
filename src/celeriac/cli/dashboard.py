"""`celeriac dashboard`: serve the dashboard, and keep the file of those who may log in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import table, visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session
from celeriac.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from celeriac.dashboard.access import Access
    from celeriac.dashboard.users import Users

HOST: Final = "127.0.0.1"
PORT: Final = 8787
ROLES: Final = ("viewer", "operator", "admin")
WHAT: Final = ("user", "token")
VERBS: Final = ("add", "remove", "list")


@make_command("dashboard")
@click.argument("words", nargs=-1, metavar="[user|token add|remove|list [NAME]]")
@click.option("--host", default=HOST, show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="0 for any free."
)
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@click.option("--read-only", is_flag=True, help="Nothing can be changed, whoever looks.")
@click.option(
    "--users",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Those who may log in; made by `dashboard user add`.",
)
@click.option("--allowed-host", multiple=True, metavar="NAME", help="Another name of this server.")
@click.option("--trusted-origin", multiple=True, metavar="ORIGIN", help="Another page that may send changes.")
@click.option("--prefix", default="", metavar="/PATH", help="What a proxy in front cuts off from addresses.")
@click.option("--hide", multiple=True, metavar="NAME", help="Arguments called so are shown as dots, too.")
@click.option(
    "--role", type=click.Choice(ROLES), default="viewer", help="With add: what that one may do (viewer)."
)
@click.option("--replace", is_flag=True, help="With add: in place of the user or token of that name.")
def command(
    session: Session,
    /,
    *,
    words: tuple[str, ...],
    host: str,
    port: int,
    opens: bool,
    users: Path | None,
    role: str,
    replace: bool,
    prefix: str,
    **options: object,
) -> int:
    """Show queues, tasks, workers and schedules in the browser, until Ctrl-C.

    On this machine it prints an address that lets in once. For others it needs a file of users:
    `celeriac dashboard user add NAME --role operator --users FILE`, and then `--users FILE`.
    """
    _check_extra()
    if words:
        return _keep_users(session, words, users, role, replace=replace)
    return _serve(session, host, port, users, prefix, opens=opens, options=options)


def _check_extra() -> None:
    """Return if what it needs is installed.

    Raises:
        MissingExtra: it is not.
    """
    try:
        import uvicorn  # noqa: F401

        import celeriac.dashboard.web  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("celeriac"):
            raise
        raise MissingExtra(f"the dashboard needs {error.name}: pip install 'celeriac[dashboard]'") from error


# --- serving ----------------------------------------------------------------------------------------------


def _serve(
    session: Session,
    host: str,
    port: int,
    users: Path | None,
    prefix: str,
    *,
    opens: bool,
    options: dict[str, object],
) -> int:
    from celeriac.dashboard.guard import LOOPBACK, is_loopback
    from celeriac.dashboard.serve import listening, serve
    from celeriac.dashboard.shells import checked_prefix
    from celeriac.dashboard.site import Site

    if users is None and not is_loopback(host):
        raise Problem(
            f"whoever reaches {host} could do everything: name a file of users with --users; or listen on "
            f"{HOST}, and put a proxy that asks for a login in front; or mount the "
            "dashboard in your application",
            code=Exit.USAGE,
            attempt=("dashboard", "user", "add", "admin", "--role", "admin", "--users", "users.json"),
        )
    known = None if users is None else _known(users)
    try:
        prefix = checked_prefix(prefix)
    except ConfigurationError as error:
        raise click.BadParameter(str(error), param_hint="'--prefix'") from error
    app = session.look()
    app.broker.ping()
    try:
        sock = listening(host, port)
    except OSError as error:
        raise Problem(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            code=Exit.USAGE,
            attempt=("dashboard", "--port", "0"),
        ) from error
    port = sock.getsockname()[1]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}{prefix}/"
    access, first = _access(session, known, port, address)
    named: tuple[str, ...] = tuple(options["allowed_host"])  # type: ignore[arg-type]
    site = Site(
        app,
        access,
        allowed_hosts=_hosts(host, named, LOOPBACK),
        trusted_origins=options["trusted_origin"],  # type: ignore[arg-type]
        read_only=bool(options["read_only"]),
        hidden_keys=options["hide"],  # type: ignore[arg-type]
    )
    with sock:
        serve(site, sock, prefix=prefix, started=lambda: _tell(session, first, prefix, opens=opens))
    return Exit.OK


def _hosts(host: str, named: tuple[str, ...], loopback: frozenset[str]) -> frozenset[str] | None:
    """Return the names by which requests may call this server; None for any, where it listens everywhere and
    nobody has said what it is called: there a login is needed in any case."""
    if host in ("0.0.0.0", "::") and not named:  # noqa: S104 - the user's own choice
        return None
    return loopback | {host, *named}


def _known(path: Path) -> Users:
    """Return the users in a file.

    Raises:
        ConfigurationError: there are none.
    """
    from celeriac.dashboard.users import Users

    users = Users(path)
    if not users.contents.users:
        raise ConfigurationError(f"the file of users {path} names nobody")
    return users


def _access(session: Session, users: Users | None, port: int, address: str) -> tuple[Access, str]:
    """Return who is let in, and the address to tell."""
    from celeriac.dashboard.access import Local, Registered
    from celeriac.dashboard.sessions import OneTime

    clock = session.app.clock
    if users is not None:
        return Registered(clock, users, port), address
    once = OneTime(lambda token: session.note(f"for another browser: {address}?token={token}"))
    return Local(clock, once, port), f"{address}?token={once.token}"


def _tell(session: Session, address: str, prefix: str, *, opens: bool) -> None:
    if session.json:
        session.emit({"kind": "dashboard", "url": address, "store": session.app.broker.url})
    else:
        session.out(f"dashboard of {visible(session.where)}")
        session.out(f"  {address}")
        if "?token=" in address:
            session.note("the address lets in once; Ctrl-C ends it")
        if prefix:
            session.note(f"this is its address here; behind the proxy it is {prefix}/ of the proxy's own")
    sys.stdout.flush()
    if opens:
        import webbrowser

        webbrowser.open(address)


# --- users ------------------------------------------------------------------------------------------------


def _keep_users(
    session: Session, words: tuple[str, ...], path: Path | None, role: str, *, replace: bool
) -> int:
    what, verb, name = (*words, "", "")[:3]
    names = 1 if verb in ("add", "remove") else 0
    if what not in WHAT or verb not in VERBS or len(words) != 2 + names:
        raise click.UsageError(
            "say `user add NAME`, `user remove NAME`, `user list`, or the same with `token`; or nothing "
            "to serve"
        )
    if path is None:
        raise click.UsageError(f"say in which file: celeriac dashboard {' '.join(words)} --users FILE")
    from celeriac.dashboard.users import Users

    users = Users(path)
    if verb == "list":
        return _list(session, users, what)
    if verb == "remove":
        return _remove(session, users, name)
    if users.knows(name) and not replace:
        raise Problem(
            f"{name} is in {path} already: another {what} of that name needs --replace, "
            "and ends what came in as the old one",
            code=Exit.STATE,
            attempt=("dashboard", what, verb, name, *_options(users, role), "--replace"),
        )
    return (
        _add_token(session, users, name, role) if what == "token" else _add_user(session, users, name, role)
    )


def _options(users: Users, role: str) -> tuple[str, ...]:
    return ("--role", role, "--users", str(users.path))


def _add_user(session: Session, users: Users, name: str, role: str) -> int:
    from celeriac.dashboard.roles import role_of

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        users.add(name, password, role_of(role))
    except ConfigurationError as error:
        again = ("dashboard", "user", "add", name)
        raise Problem(str(error), code=Exit.USAGE, attempt=(*again, *_options(users, role))) from error
    _answer(session, {"user": name, "role": role}, f"{name} may log in as {role}")
    return Exit.OK


def _add_token(session: Session, users: Users, name: str, role: str) -> int:
    from celeriac.dashboard.roles import role_of

    token = users.add_token(name, role_of(role))
    _answer(session, {"token": name, "role": role, "secret": token}, token)
    session.note(f"the token of {name}, {role}; it is shown this once")
    return Exit.OK


def _remove(session: Session, users: Users, name: str) -> int:
    was = users.remove(name)
    _answer(session, {"removed": name, "was": was}, f"{name} is removed" if was else f"there is no {name}")
    return Exit.OK if was else Exit.UNKNOWN


def _list(session: Session, users: Users, what: str) -> int:
    found = {
        name: entry.role
        for name, entry in users.contents.users.items()
        if bool(entry.token) is (what == "token")
    }
    if session.json:
        for name, role in found.items():
            session.emit({"kind": what, "name": name, "role": role})
    elif found:
        for line in table(("name", "role"), found.items()):
            session.out(line)
    return Exit.OK


def _answer(session: Session, data: dict[str, object], text: str) -> None:
    if session.json:
        session.emit(data)
    else:
        session.out(visible(text))
