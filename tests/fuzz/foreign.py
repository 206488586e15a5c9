"""What people and browsers send: filters, places to go on, tickets, cookies, tokens, forms, users."""

import base64
import random
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException

from celeriac import Celeriac
from celeriac.broker import Broker, WorkerInfo
from celeriac.brokers import places
from celeriac.brokers.memory import MemoryBroker
from celeriac.brokers.redis import finding as redis_finding
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.contrib.progress.desk import Desk
from celeriac.criteria import ANY
from celeriac.dashboard import guard, sessions
from celeriac.dashboard.access import Local
from celeriac.dashboard.doors import _local
from celeriac.dashboard.forms import form_of
from celeriac.dashboard.roles import Role
from celeriac.dashboard.users import Users
from celeriac.errors import ConfigurationError, InvalidFilter
from celeriac.message import Message
from celeriac.parsing import parse
from celeriac.search import TaskView
from celeriac.tickets import Ticket, Tickets
from tests.fuzz.target import NOW, Target

CLOCK = SimpleNamespace(now=lambda: NOW, monotonic=lambda: 1.0)
SECRET, STAMP = "s" * 64, "stamp"

# --- filters and places ---------------------------------------------------------------------------------

FILTERS = [
    b"state:failed queue:mail since:2h -name:noise*",
    b'arg.user_id:42 error:"no such \\"thing\\"" attempts:>2 ran:>=1m30s waited:<500ms',
    b"worker:w* id:018|019 until:2026-01-31T12:00 root:x schedule:a|b group:g PROGRESS",
    b"state:PENDING|retry|running -state:waiting since:30 arg.a.0.b:x*y*z",
]


def _filter(data: bytes, chance: random.Random) -> None:
    text = data.decode("utf-8", chance.choice(("replace", "surrogateescape")))
    wanted = parse(text, NOW)
    assert str(parse(str(wanted), NOW)) == str(wanted)
    wanted.with_workers({"w1": "w1@host"})
    for store in _stores():
        for record in store.find(wanted.criteria, "", 10, 100).records:
            wanted.matches(record)
            TaskView.of(record)
    redis_finding._written(wanted.criteria, 0.5)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


@cache
def _stores() -> tuple[Broker, ...]:
    """Return stores with a task in each of some states."""
    stores = MemoryBroker(), SqliteBroker(f"sqlite:///{_folder().name}/fuzz.db")
    for store in stores:
        payload = b'[[{"b":"xyz"}],{"user_id":42}]'
        sent = [
            Message(f"t{number}", "shop.add", "mail", payload=payload, created=NOW) for number in range(4)
        ]
        store.send([*sent, Message("later", "shop.pay", eta=NOW + 60, created=NOW)], NOW)
        store.enlist(WorkerInfo("w1", "w1@host", names=frozenset({"shop.add"}), queues=("mail",)), NOW)
        store.exchange("w1", trip=1, want=2, now=NOW)
        store.cancel(["t3"], NOW)
    return stores


PLACES = [
    places.written("r", 7),
    places.written("q", "mail", 0, 3),
    places.written("p", "mail", 0, "shop.add", 3),
    places.written("s", 1.5, "mail", 2),
    places.written("w", "mail", 2),
    places.written("e", NOW, 5),
    places.written("e", "1", "2", "3"),
    places.written(4, -NOW, -3),
    '["q","mail",0,3]',
    '["e",1.5,9223372036854775808]',
]


def _place(data: bytes, chance: random.Random) -> None:
    text = data.decode("utf-8", "surrogateescape")
    after = _packed(text) if chance.random() < 0.6 else text
    asks: list[Callable[[], object]] = [
        *(lambda store=store: store.find(ANY, after, 3, 10) for store in _stores()),
        lambda: [*redis_finding._from(redis_finding.walks(ANY), after)],
    ]
    chance.choice(asks)()


def _packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogateescape")).decode().rstrip("=")


# --- tickets --------------------------------------------------------------------------------------------

TICKETS = Tickets(["k" * 32], "shop")
TICKET = TICKETS.issue(Ticket("task-1", NOW + 60, outcome=True))
OTHERS = Tickets(["k" * 32], "another shop").issue(Ticket("task-1", NOW + 60))
OVER = TICKETS.issue(Ticket("task-1", NOW - 60))

app = Celeriac("fuzzed", broker="memory://", security_keys=["k" * 32], set_as_current=False)
app.clock = CLOCK  # type: ignore[assignment]


def _ticket(data: bytes, _: random.Random) -> None:
    text = data.decode("utf-8", "surrogateescape")
    found = TICKETS.read(text, NOW)
    assert found is None or (found.id, found.until, found.outcome) == ("task-1", NOW + 60, True)


def _query(data: bytes, chance: random.Random) -> None:
    desk = Desk(app, streams=1)
    query = data.decode("latin-1")
    path = chance.choice(("state", "line", "events", "element.js", query))
    desk.answer(path, query, known=query)


# --- the dashboard's doors ------------------------------------------------------------------------------

COOKIE = sessions.signed(SECRET, "ana", STAMP, NOW + 60)


def _cookie(data: bytes, _: random.Random) -> None:
    for text in (data.decode("latin-1"), data.decode("utf-8", "surrogateescape")):
        name = sessions.name_in(text, NOW)
        if sessions.is_genuine(text, SECRET, name, STAMP) and name:
            assert name == "ana"
        local = Local(CLOCK, sessions.OneTime())  # type: ignore[arg-type]
        assert local._by_cookie(text) is None


def _token(data: bytes, _: random.Random) -> None:
    once = sessions.OneTime()
    right = once.token
    text = data.decode("utf-8", "surrogateescape")
    assert not once.spend(text)
    assert once.spend(right)
    assert not once.spend(right)


@cache
def _users() -> tuple[Users, list[bytes]]:
    users = Users(Path(_folder().name) / "users.json")
    users.add("ana", "correct horse", Role.ADMIN)
    users.add_token("robot", Role.OPERATOR)
    return users, [users.path.read_bytes()]


def _file(data: bytes, chance: random.Random) -> None:
    users, _ = _users()
    users.path.write_bytes(data)
    users._seen = None
    users.user("ana")
    users.stamp("ana")
    users.bearer("x")
    if chance.random() < 0.02:  # it takes long on purpose
        assert users.check("ana", "wrong") is None


def _form(data: bytes, chance: random.Random) -> None:
    kind = chance.choice(("application/json", "application/x-www-form-urlencoded", "multipart/form-data", ""))

    async def stream() -> Any:
        yield data

    request: Any = SimpleNamespace(headers={"content-type": kind}, stream=stream)
    assert all(isinstance(value, str) for pair in _awaited(form_of(request)).items() for value in pair)


def _awaited(coroutine: Any) -> Any:
    """Run what waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def _headers(data: bytes, chance: random.Random) -> None:
    text = data.decode("latin-1")
    guard.is_loopback(guard.host_name(text))
    if guard.is_host_allowed(text, {"localhost"}):
        assert text.lower().startswith(("localhost", "[localhost"))
    headers = {"origin": text, "host": "tasks.example.org"}
    if guard.may_change("POST", headers):
        assert text.endswith("://tasks.example.org")
    target = _local(text)
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))


FOREIGN = [
    Target("filter", FILTERS, _filter, (InvalidFilter,)),
    Target("place to go on", [place.encode() for place in PLACES], _place, (InvalidFilter,)),
    Target("ticket", [TICKET.encode(), OTHERS.encode(), OVER.encode()], _ticket, ()),
    Target("progress query", [f"token={quote(t)}&token=x".encode() for t in (TICKET, OVER)], _query, ()),
    Target("cookie", [COOKIE.encode(), b"YW5h.1700000060." + b"0" * 64], _cookie, ()),
    Target("one-time token", [b"x" * 32, b""], _token, ()),
    Target("file of users", _users()[1], _file, (ConfigurationError,)),
    Target("form", [b"a=1&b=2&a=3", b'{"a":1,"b":["x","y"],"c":true}'], _form, (HTTPException,)),
    Target(
        "host, origin, way back",
        [b"localhost:8000", b"http://tasks.example.org", b"/tasks?q=x", b"[::1]:80"],
        _headers,
        (),
    ),
]
