"""The endpoints of `contrib.progress`, in each framework: what a token opens, and that nothing else does."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from celeriac import Celeriac
from celeriac.clock import ManualClock
from celeriac.contrib import progress
from celeriac.contrib.progress.desk import MOST_KNOWN, SCRIPT, SCRIPT_NAME, Answer, Audience, Desk
from celeriac.contrib.progress.facts import FINAL, facts_of, line_of, simple_state
from celeriac.errors import BrokerUnavailable
from celeriac.outlook import View
from celeriac.updates import Update

SECRET = "the key of the safe"


class Told(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


Ask = Callable[..., Told]


@pytest.fixture
def app() -> Iterator[Celeriac]:
    with Celeriac("kitchen", broker="memory://", set_as_current=False) as app:
        yield app


def lowered(headers: Any) -> dict[str, str]:
    return {name.lower(): text for name, text in headers}


def on_starlette(app: Celeriac, streams: int) -> Ask:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    web = Starlette(routes=[Mount("/progress", progress.asgi(app, streams=streams))])

    async def request(path: str, method: str, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(web)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, f"/progress{path}", headers=headers)

    def ask(path: str, method: str = "GET", **headers: str) -> Told:
        answer = asyncio.run(request(path, method, headers))
        return Told(answer.status_code, lowered(answer.headers.items()), answer.text)

    return ask


def on_flask(app: Celeriac, streams: int) -> Ask:
    from flask import Flask

    web = Flask(__name__)
    web.register_blueprint(progress.blueprint(app, streams=streams))
    client = web.test_client()

    def ask(path: str, method: str = "GET", **headers: str) -> Told:
        threads = {"wsgi.multithread": True}
        answer = client.open(f"/progress{path}", method=method, headers=headers, environ_overrides=threads)
        return Told(answer.status_code, lowered(answer.headers.items()), answer.text)

    return ask


def on_wsgi(app: Celeriac, streams: int) -> Ask:
    from werkzeug.test import Client

    client = Client(progress.wsgi(app, streams=streams))

    def ask(path: str, method: str = "GET", **headers: str) -> Told:
        threads = {"wsgi.multithread": True}
        answer = client.open(path, method=method, headers=headers, environ_overrides=threads)
        return Told(answer.status_code, lowered(answer.headers.items()), answer.text)

    return ask


def on_django(app: Celeriac, streams: int) -> Ask:
    from django.conf import settings
    from django.test import RequestFactory

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"])
    [pattern] = progress.urls(app, streams=streams)
    factory = RequestFactory(**{"wsgi.multithread": True})

    def ask(path: str, method: str = "GET", **headers: str) -> Told:
        request = factory.generic(method, path, headers=headers)
        found = pattern.resolve(path.partition("?")[0].lstrip("/"))
        if found is None:
            return Told(404, {}, "")
        answer = found.func(request, **found.kwargs)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return Told(answer.status_code, lowered(answer.headers.items()), body.decode())

    return ask


MOUNTS = {"starlette": on_starlette, "flask": on_flask, "wsgi": on_wsgi, "django": on_django}


@pytest.fixture(params=MOUNTS)
def mount(request: pytest.FixtureRequest, app: Celeriac) -> Callable[..., Ask]:
    return lambda streams=5: MOUNTS[request.param](app, streams)


@pytest.fixture
def ended(app: Celeriac) -> str:
    """A task that has reported and returned."""

    @app.task(bind=True)
    def cook(self: Any) -> str:
        self.update_state(state="PROGRESS", meta={"current": 3, "total": 4, "status": "hot", "more": SECRET})
        return SECRET

    with app.embedded():
        result = cook.delay()
        result.get(timeout=30)
    return str(result.id)


def events(text: str) -> list[Any]:
    return [
        json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: [")
    ]


def test_a_token_opens_its_task_and_only_what_it_shall_show(app, ended, mount):
    ask = mount()
    closed, opened = app.progress_token(ended), app.progress_token(ended, outcome=True)

    told = ask(f"/state?token={closed}&token={opened}")

    assert (told.status, told.headers["cache-control"]) == (200, "no-store")
    without, with_outcome = json.loads(told.text)
    assert (without["id"], without["state"], without["current"], without["total"]) == (ended, "SUCCESS", 3, 4)
    assert SECRET not in json.dumps(without)
    assert with_outcome["result"] == with_outcome["outcome"] == SECRET
    assert "more" not in with_outcome


def test_a_stream_tells_everything_and_ends_with_the_task(app, ended, mount):
    told = mount()(f"/events?token={app.progress_token(ended)}&token=forged")

    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.headers["x-accel-buffering"] == "no"
    assert [(number, facts["state"]) for number, facts in events(told.text)] == [
        (1, "REFUSED"),
        (0, "SUCCESS"),
    ]


@pytest.mark.parametrize("path", ["/events", "/state", "/line"])
def test_without_a_valid_token_all_looks_alike(app, ended, mount, path):
    ask = mount()
    old = app.progress_token(ended, expires=1e-9)
    stranger = Celeriac("garden", broker="memory://", set_as_current=False).progress_token(ended)

    told = [ask(f"{path}?token={token}") for token in ("", ended, "wHMm42", old, stranger)] + [ask(path)]

    assert {answer.status for answer in told} == {403}
    assert len({answer.text for answer in told}) == 1
    assert ended not in told[0].text


def test_each_item_has_the_same_keys_and_one_that_is_refused_no_id(app, ended, mount):
    told = mount()(f"/state?token={app.progress_token(ended)}&token=forged")

    shown, refused = json.loads(told.text)
    assert shown.keys() == refused.keys()
    assert (refused["state"], refused["id"]) == ("REFUSED", None)


def test_a_line_is_text_and_renews_itself_until_the_end(app, ended, mount):
    ask = mount()
    waiting = app.send_task("kitchen.unknown")

    first = ask(f"/line?token={app.progress_token(waiting)}")
    last = ask(f"/line?token={app.progress_token(ended, outcome=True)}")

    assert (first.text, first.headers["refresh"]) == ("Waiting\n", "5")
    assert (last.text, last.headers.get("refresh")) == (f"Done · 100 % · {SECRET}\n", None)
    assert last.headers["content-type"] == "text/plain; charset=utf-8"
    assert last.headers["x-content-type-options"] == "nosniff"


def test_the_script_is_one_file_that_is_kept_for_ever_under_its_own_name(mount):
    ask = mount()

    fixed, moving = ask(f"/{SCRIPT_NAME}"), ask("/element.js")

    assert fixed.text == moving.text == SCRIPT.decode()
    assert "immutable" in fixed.headers["cache-control"]
    assert moving.headers["cache-control"] == "no-cache"
    assert fixed.headers["content-type"] == "text/javascript; charset=utf-8"
    again = ask("/element.js", **{"If-None-Match": moving.headers["etag"]})
    assert (again.status, again.text) == (304, "")


def test_who_comes_when_all_streams_are_taken_is_told_to_poll(app, ended, mount):
    told = mount(0)(f"/events?token={app.progress_token(ended)}")

    assert (told.status, told.headers["retry-after"]) == (503, "5")


def test_nothing_else_is_there(app, ended, mount):
    ask = mount()
    token = app.progress_token(ended)

    assert ask(f"/other?token={token}").status == 404
    assert ask("/state?" + "&".join(["token=x"] * 51)).status == 400
    assert ask(f"/state?token={token}", method="POST").status == 405
    assert ask(f"/state?token={token}", method="HEAD").text == ""


def test_a_server_with_one_thread_never_gives_it_to_a_stream(app, ended):
    from werkzeug.test import Client

    query = f"/events?token={app.progress_token(ended)}"

    assert Client(progress.wsgi(app)).open(query).status_code == 503


# --- the desk behind all of them ----------------------------------------------------------------------


def test_the_places_are_counted_and_given_back(app, ended):
    desk = Desk(app, streams=1)
    query = f"token={app.progress_token(app.send_task('kitchen.unknown'))}"
    audience = desk.answer("events", query)
    stream = desk.stream(audience)
    next(stream)

    late = desk.stream(audience)
    assert list(late) == []
    assert desk.answer("events", query).status == 503

    stream.close()
    assert isinstance(desk.answer("events", query), Audience)


def test_a_token_ends_also_on_a_stream_that_is_open():
    clock = ManualClock()
    app = Celeriac("kitchen", broker="memory://", clock=clock, set_as_current=False)
    desk, waiting = Desk(app, 1), app.send_task("kitchen.unknown").id
    app.clock.advance(1)
    from celeriac.contrib.progress.desk import Talk

    tickets = [app.tickets.read(app.progress_token(waiting, expires), clock.now()) for expires in (10, 100)]
    talk = Talk(desk, tickets)

    first = talk.hear(Update(waiting, "PENDING"))
    clock.advance(20)
    second = talk.hear(None)

    assert [facts["state"] for _, facts in events(b"".join(first).decode())] == ["PENDING", "PENDING"]
    assert [(n, facts["state"]) for n, facts in events(b"".join(second).decode())] == [(0, "REFUSED")]
    assert not talk.over
    clock.advance(100)
    talk.hear(None)
    assert talk.over


def test_while_the_store_is_away_who_polls_is_asked_to_come_again(app, ended, monkeypatch):
    desk = Desk(app, 1)
    token = app.progress_token(ended)

    def away(ids: Any) -> None:
        raise BrokerUnavailable("it is away")

    monkeypatch.setattr(app.broker, "get", away)
    answer = desk.answer("state", f"token={token}")

    assert isinstance(answer, Answer)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


def test_a_pace_is_known_to_those_who_come_back_but_not_of_every_task_for_ever():
    clock = ManualClock()
    app = Celeriac("kitchen", broker="memory://", clock=clock, set_as_current=False)
    from celeriac.contrib.progress.desk import Talk

    desk = Desk(app, 1)
    ticket = app.tickets.read(app.progress_token("some-id"), clock.now())
    for step in range(10):
        Talk(desk, [ticket]).see(Update("some-id", "PROGRESS", {"current": step, "total": 10}))
        clock.advance(2)

    back = Talk(desk, [ticket])
    back.see(Update("some-id", "PROGRESS", {"current": 9, "total": 10}))

    assert back.facts(0)["rate"] == pytest.approx(0.5)
    for number in range(MOST_KNOWN):
        desk.remember(f"task-{number}", desk.recall("nobody"))
    assert desk.recall("some-id").pace.rate is None


# --- the facts ----------------------------------------------------------------------------------------


def told(state: str, *, outcome: bool = True, **more: Any) -> dict[str, Any]:
    return facts_of(View(Update("x", state, ready=state in FINAL, **more)), outcome=outcome)


@pytest.mark.parametrize(
    ("result", "shown"),
    [("soup", "soup"), (None, ""), ({"a": 2**60}, '{"a":1152921504606846976}'), ([1], "[1]"), (0, "0")],
)
def test_a_result_is_told_as_it_is_and_as_text(result, shown):
    facts = told("SUCCESS", result=result)

    assert (facts["result"], facts["outcome"]) == (result, shown)


def test_a_long_result_is_told_in_short():
    facts = told("SUCCESS", result="x" * 1_000_000)

    assert len(facts["result"]) == len(facts["outcome"]) == 2_001


def test_a_result_without_a_json_form_is_told_as_python_shows_it():
    assert told("SUCCESS", result=object)["outcome"] == "<class 'object'>"


def test_what_the_best_known_tutorial_returns_is_understood():
    returned = {"current": 8, "total": 8, "status": "Served", "result": 42}

    facts = told("SUCCESS", result=returned)

    assert (facts["result"], facts["outcome"], facts["status"]) == (42, "42", "Served")


def test_an_error_is_told_with_its_name_and_only_to_whom_it_may_concern():
    error = {"error": "too hot", "error_type": "kitchen.Burnt"}

    assert told("FAILURE", **error)["outcome"] == "Burnt: too hot"
    assert "too hot" not in json.dumps(told("FAILURE", outcome=False, **error))


@pytest.mark.parametrize(
    ("state", "simple"),
    [("PENDING", "PENDING"), ("RETRY", "PENDING"), ("STARTED", "PROGRESS"), ("IN_THE_OVEN", "PROGRESS")]
    + [(state, state) for state in FINAL],
)
def test_until_the_end_there_are_two_states(state, simple):
    assert simple_state(state) == simple


def test_a_line_stays_one_line():
    facts = told("PROGRESS", meta={"status": "two\nlines \x00 and\ttabs"})

    assert line_of(facts) == "Running · two lines \x00 and tabs"


# --- the element --------------------------------------------------------------------------------------


def test_the_element_escapes_what_it_is_given(app):
    html = progress.element(app, "some-id", at='/a"b/', label="<Peeling>")

    assert html.startswith(f'<script type="module" src="/a&quot;b/{SCRIPT_NAME}"></script>')
    assert 'label="&lt;Peeling&gt;"' in html
    assert html.__html__() == html


def test_templates_take_the_element_as_it_is(app):
    from jinja2 import Environment

    html = progress.element(app, "some-id")

    assert Environment(autoescape=True).from_string("{{ bar }}").render(bar=html) == html


def test_the_script_is_small():
    assert len(SCRIPT) <= 6 * 1024


@pytest.mark.parametrize("missing", ["starlette", "flask", "django"])
def test_without_its_framework_a_mount_says_what_to_install(missing):
    call = {"starlette": "asgi", "flask": "blueprint", "django": "urls"}[missing]
    code = f"import sys; sys.modules[{missing!r}] = None\nfrom celeriac import Celeriac\n"
    code += f"from celeriac.contrib import progress\nprogress.{call}(Celeriac('x', broker='memory://'))"

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "MissingExtra" in ran.stderr
    assert "pip install" in ran.stderr
