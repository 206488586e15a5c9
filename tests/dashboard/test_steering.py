"""What is counted, logged and noted, on its pages; workers steered by theirs; tasks as a file."""

import csv
import io
import json
import logging
import threading

import pytest
from msgspec.structs import replace

from celeriac import Celeriac, bulk
from celeriac.broker import WorkerInfo
from celeriac.clock import SystemClock
from celeriac.dashboard import dashboard, exports
from celeriac.dashboard.jobs import MOST, Job, Jobs
from celeriac.dashboard.roles import Role, User
from celeriac.dashboard.tails import SHOWN, plain
from celeriac.errors import InvalidMessage
from celeriac.steering import Line, body_of
from celeriac.tally import FAILED, QUEUED, RUN, SUCCEEDED, Tally, begin
from tests.dashboard import shop
from tests.dashboard.client import Client
from tests.dashboard.shop import BIG, HOSTILE, PASSWORD
from tests.waiting import wait_until


@pytest.fixture
def app():
    with Celeriac("shop", broker="memory://", clock=SystemClock()) as app:
        yield app


@pytest.fixture
def tasks(app):
    return shop.make(app)


@pytest.fixture
def client(app, tasks):
    return Client(dashboard(app, access=lambda request: User("ana", Role.ADMIN)))


def enlist(app, id="web-1.a", **facts):
    worker = WorkerInfo(id=id, name="web-1", host="web", pid=7, slots=4, lease=10.0, **facts)
    app.broker.enlist(worker, app.clock.now())
    return worker


def claim(app, tasks, worker):
    """Have *worker* run a task; return its claim."""
    tasks.echo.delay("x")
    [claim] = app.broker.exchange(worker.id, trip=1, want=1, now=app.clock.now()).claims
    return claim


def deeds(app):
    return [(each.who, each.verb, each.target, each.count) for each in app.activity()]


# --- what was counted -------------------------------------------------------------------------------------


def count(app):
    now = app.clock.now()
    tallies = [
        Tally(begin(now), "mail", 'shop.<b> "x" | y*', {SUCCEEDED: 6, FAILED: 2, RUN + 4: 8}),
        Tally(begin(now), "mail", "", {QUEUED: 12}),
    ]
    app.broker.count("test", 1, tallies, now)


def test_the_overview_draws_what_was_counted_and_the_span_can_be_chosen(app, client):
    count(app)

    hour, week = (client.get("/api/v1/overview", params={"span": span}).json() for span in ("hour", "week"))
    page = client.get("/?span=week").text

    assert [chart["key"] for chart in hour["charts"]] == ["ended", "wait", "depth"]
    assert hour["charts"][0]["summary"].startswith("8 tasks ended in the last hour: 6 done, 2 failed")
    assert week["charts"][0]["title"] == "Tasks that ended, each three hours"
    assert page.count("<figure") == 3
    assert 'href="/?span=day"' in page
    assert "Show as table" in page


def test_a_queue_shows_its_depth_and_when_it_will_be_empty(app, tasks, client):
    count(app)
    tasks.add.apply_async((1,), queue="mail")

    view = client.get("/api/v1/queue", params={"name": "mail"}).json()
    other = client.get("/api/v1/queue", params={"name": "other"}).json()

    assert view["charts"][0]["summary"].startswith("The most tasks at once in the last hour: 12 queued")
    assert view["drain"]["code"] == "unknown"
    assert other["drain"]["code"] == "empty"
    assert "8" not in other["charts"][1]["summary"]


def test_task_types_are_listed_with_their_share_of_failures_and_those_that_never_ran(app, client):
    count(app)
    enlist(app, names=frozenset({"shop.idle"}))

    rows = {row["name"]: row for row in client.get("/api/v1/names").json()["names"]}

    counted = rows['shop.<b> "x" | y*']
    assert (counted["ended"], counted["failed"], counted["share"]) == (8, 2, 25.0)
    assert counted["p50"] > 0
    assert (rows["shop.idle"]["ended"], rows["shop.idle"]["share"]) == (0, None)


def test_a_task_type_shows_its_latest_tasks_whatever_it_is_called(app, tasks, client):
    count(app)
    sent = tasks.echo.delay(HOSTILE[0])

    known = client.get("/api/v1/name", params={"name": "shop.echo"}).json()
    odd = client.get("/name", params={"name": 'shop.<b> "x" | y*'})

    assert [row["id"] for row in known["tasks"]] == [sent.id]
    assert odd.status_code == 200
    assert "<b>" not in odd.text
    assert "8 tasks ended" in odd.text


# --- what a task says -------------------------------------------------------------------------------------


def say(app, claim, *lines, level=logging.INFO, logger="shop"):
    now = app.clock.now()
    app.broker.write_log(
        "web-1.a", [Line(claim.id, claim.fence, now, level, body_of(logger, line)) for line in lines], now
    )


def test_the_end_of_a_log_is_shown_from_a_level_on_and_without_colours(app, tasks, client):
    running = claim(app, tasks, enlist(app, names=frozenset({"shop.echo"})))
    say(app, running, "\x1b[31mred\x1b[0m <b>", *HOSTILE)
    say(app, running, "careful", level=logging.WARNING)

    everything = client.get(f"/tasks/{running.id}").text
    careful = client.get(f"/api/v1/tasks/{running.id}?level=warning").json()["log"]["lines"]

    assert "red &lt;b&gt;" in everything
    assert "[31m" not in everything.replace(HOSTILE[5], "")
    assert "<img" not in everything
    assert [(line["text"], line["level"]) for line in careful] == [("careful", "WARNING")]


def test_of_a_long_log_the_end_is_shown_and_what_comes_is_added(app, tasks, client):
    running = claim(app, tasks, enlist(app, names=frozenset({"shop.echo"})))
    say(app, running, *(f"line {at}" for at in range(SHOWN + 50)))
    before = client.get(f"/api/v1/tasks/{running.id}").json()["log"]
    say(app, running, "the last one")

    after = client.get(f"/api/v1/tasks/{running.id}").json()["log"]

    assert len(before["lines"]) == len(after["lines"]) == SHOWN
    assert before["more"]
    assert before["lines"][-1]["text"] == f"line {SHOWN + 49}"
    assert [line["text"] for line in after["lines"][-2:]] == [f"line {SHOWN + 49}", "the last one"]


def test_a_running_task_tells_where_it_is_when_it_is_asked(app, client):
    entered, go_on = threading.Event(), threading.Event()

    @app.task(name="shop.stay")
    def stay():
        entered.set()
        go_on.wait(30)

    with app.embedded():
        sent = stay.delay()
        assert entered.wait(20)
        try:
            told = client.post(f"/api/v1/tasks/{sent.id}/stack").json()
            page = client.get(f"/tasks/{sent.id}").text
        finally:
            go_on.set()
        sent.get(20)

    assert "stay" in [frame["function"] for frame in told["frames"]]
    assert 'id="stack"' in page
    assert "go_on.wait" in page
    assert deeds(app) == [("ana", "stack", sent.id, 1)]


def test_a_task_that_does_not_run_is_not_asked_where_it_is(app, tasks, client):
    sent = tasks.add.delay(1)

    page = client.post(f"/tasks/{sent.id}/stack")
    told = client.get(page.headers["location"]).text

    assert "does not run" in told
    assert f'action="/tasks/{sent.id}/stack"' not in told
    assert deeds(app) == []


@pytest.mark.parametrize("text", ["", "a", "\x1b[1;31mbold\x1b[0m", "\x1b]8;;http://x\x07link\x1b]8;;\x07"])
def test_only_what_colours_a_terminal_is_taken_out(text):
    assert plain(text) == text.replace("\x1b[1;31m", "").replace("\x1b[0m", "").replace(
        "\x1b]8;;http://x\x07", ""
    ).replace("\x1b]8;;\x07", "")


# --- workers ----------------------------------------------------------------------------------------------


def test_a_worker_is_drained_resumed_and_stopped_and_it_is_noted_who_did(app, client):
    worker = enlist(app)

    for verb in ("drain", "resume"):
        assert client.post(f"/worker/{verb}", {"id": worker.id}).status_code == 303
    asked = client.post("/worker/stop", {"id": worker.id})
    heard = [
        command.verb for command in app.broker.heartbeat([worker.id], app.clock.now()).commands[worker.id]
    ]
    stopped = client.post("/worker/stop", {"id": worker.id, "sure": "yes"})

    assert heard == ["drain", "resume"]
    assert "The one process of web-1 ends" in asked.text
    assert stopped.headers["location"] == "/workers"
    assert [verb for _, verb, _, _ in deeds(app)] == ["stop", "resume", "drain"]


def test_a_worker_shows_what_it_tells_of_itself_and_when_it_is_silent(app, client):
    from celeriac.steering import Pulse

    worker = enlist(app)
    pulse = Pulse(memory=123_456_789, cpu=2.0, done=9, lag=0.004, draining=True)
    app.broker.heartbeat([worker.id], app.clock.now(), {worker.id: pulse})

    [row] = client.get("/api/v1/workers").json()["workers"]
    page = client.get("/worker", params={"id": worker.id}).text

    assert (row["state"], row["memory"], row["done"], row["lag"]) == ("draining", 123_456_789, 9, 0.004)
    assert "123 MB" in page
    assert 'action="/worker/resume"' in page
    assert 'action="/worker/drain"' not in page


def test_a_worker_that_has_missed_half_of_its_lease_is_silent():
    from celeriac.dashboard.pages.workers import rows_of

    worker = WorkerInfo(id="a", name="a", lease=10.0, started=0.0, seen=100.0, draining=True, cpu=25.0)

    [alive], [silent] = rows_of([worker], 104.0), rows_of([worker], 106.0)
    [unknown] = rows_of([replace(worker, cpu=None)], 104.0)

    assert (alive.state, silent.state) == ("draining", "silent")
    assert silent.silence == 6.0
    assert (alive.share, unknown.share) == (25.0, None)


def test_a_worker_that_is_gone_is_missing_and_a_viewer_sees_no_button(app, client):
    enlist(app)
    viewer = Client(dashboard(app, access=lambda request: "viewer"))
    operator = Client(dashboard(app, access=lambda request: "operator"))

    assert client.post("/worker/drain", {"id": "gone"}).status_code == 404
    assert 'action="/worker' not in viewer.get("/workers").text
    assert 'action="/worker/drain"' in operator.get("/workers").text
    assert 'action="/worker/stop"' not in operator.get("/workers").text


# --- who did what -----------------------------------------------------------------------------------------


def test_every_action_is_noted_once_with_who_did_it(app, tasks, client):
    failed, later = tasks.fail.delay("x"), tasks.add.apply_async((1,), countdown=3_600)
    waiting = tasks.add.apply_async((2,), queue="slow")
    with app.embedded():
        failed.get(20, propagate=False)
    app.schedules.add("nightly", "0 3 * * *", "shop.add", (1,))

    client.post("/queue/pause", {"name": "slow"})
    client.post("/queue/resume", {"name": "slow"})
    client.post("/queue/purge", {"name": "slow", "sure": "yes"})
    client.post(f"/tasks/{later.id}/run-now")
    client.post(f"/tasks/{later.id}/cancel")
    again = client.post(f"/api/v1/tasks/{failed.id}/again").json()["id"]
    client.post("/bulk", {"q": f"id:{failed.id}", "action": "retry"})  # only asks
    client.post("/bulk", {"q": f"id:{failed.id}", "action": "retry", "sure": "yes"})
    client.post("/schedule/pause", {"name": "nightly"})

    assert [(who, verb, target) for who, verb, target, _ in reversed(deeds(app))] == [
        ("ana", "pause", "slow"),
        ("ana", "resume", "slow"),
        ("ana", "purge", "slow"),
        ("ana", "reschedule", later.id),
        ("ana", "revoke", later.id),
        ("ana", "run again", failed.id),
        ("ana", "retry", f"id:{failed.id}"),
        ("ana", "schedule pause", "nightly"),
    ]
    assert app.AsyncResult(waiting.id).state == "REVOKED"
    assert app.AsyncResult(again).state == "PENDING"


def test_activity_is_a_page_with_older_ones_behind(app, client):
    with app.acting(HOSTILE[0]):
        for at in range(101):
            app.acted("pause", f"q{at}")

    first = client.get("/api/v1/activity").json()
    second = client.get("/api/v1/activity", params={"after": first["after"]}).json()
    page = client.get("/activity").text

    assert [entry["target"] for entry in first["entries"][:2]] == ["q100", "q99"]
    assert [entry["target"] for entry in second["entries"]] == ["q0"]
    assert (first["first"], second["first"], second["after"]) == (True, False, 0)
    assert "<img" not in page
    assert client.get("/activity?after=x").status_code == 400


def test_what_a_program_does_is_no_activity_and_what_is_done_by_halves_is(app, tasks):
    sent = [tasks.add.delay(at) for at in range(3)]
    app.bulk("name:shop.add", "revoke", dry_run=False, until=app.clock.now() + 1)
    for each in sent:
        tasks.add.delay(each.id)

    def end(result):
        if result.done:
            raise KeyboardInterrupt

    with app.acting("ana"), pytest.raises(KeyboardInterrupt):
        bulk.bulk(
            app,
            "name:shop.add state:queued",
            "revoke",
            dry_run=False,
            until=app.clock.now() + 1,
            progress=end,
        )

    assert deeds(app) == [("ana", "revoke", "name:shop.add state:queued", 3)]


# --- as a file --------------------------------------------------------------------------------------------


def test_all_that_a_filter_means_is_a_file_without_secrets(app, tasks, client):
    tasks.echo.delay({"big": BIG, "password": PASSWORD}, token=PASSWORD, x="=1+1")
    tasks.add.delay(1)

    table = client.get("/export/tasks", params={"q": "name:shop.echo"})
    lines = client.get("/api/v1/export/tasks", params={"q": "", "format": "ndjson"})

    [row] = csv.DictReader(io.StringIO(table.text))
    assert table.headers["content-type"].startswith("text/csv")
    assert table.headers["content-disposition"] == 'attachment; filename="tasks.csv"'
    assert str(BIG) in row["args"]
    assert PASSWORD not in table.text + lines.text
    assert {json.loads(line)["name"] for line in lines.text.splitlines()} == {"shop.echo", "shop.add"}


# --- what nobody may read, nobody may guess -----------------------------------------------------------------


@pytest.fixture
def login(app):
    @app.task(name="shop.login")
    def login(user, password="", options=None):
        return user

    login.delay("ann", PASSWORD, {"api_key": "k-1"})
    login.delay("bob", password=PASSWORD)
    return login


@pytest.mark.parametrize("address", ["/api/v1/tasks", "/api/v1/export/tasks"])
@pytest.mark.parametrize(
    "query",
    [
        f"arg.password:{PASSWORD[0]}*",
        f"arg.1:{PASSWORD}",
        "arg.2.api_key:k*",
        "arg.2:*k-1*",
        "arg.0:bob arg.password:c*",
    ],
)
def test_a_filter_does_not_see_what_is_hidden(login, client_for, address, query):
    answer = client_for("viewer").get(address, params={"q": query, "format": "ndjson"})

    assert answer.status_code == 200
    assert "shop.login" not in answer.text


def test_a_filter_does_not_see_what_somebody_has_asked_to_hide(login, client_for):
    client = client_for("viewer", hidden_keys=["user"])

    for query in ("arg.0:ann", "arg.0:bob"):
        assert client.get("/api/v1/tasks", params={"q": query}).json()["tasks"] == []


def test_what_is_counted_before_it_is_done_to_many_tells_no_secret(login, client_for):
    form = {"q": f"arg.password:{PASSWORD}", "action": "revoke", "dry_run": "yes"}

    assert client_for("operator").post("/api/v1/bulk", form).json()["matched"] == 0


def test_a_filter_still_sees_other_arguments(login, client):
    found = client.get("/api/v1/tasks", params={"q": "arg.0:bob"}).json()["tasks"]

    assert [task["name"] for task in found] == ["shop.login"]


@pytest.mark.parametrize("address", ["/tasks", "/api/v1/tasks", "/export/tasks"])
def test_a_secret_is_hidden_though_it_was_given_by_its_place(login, client, address):
    text = client.get(address).text

    assert "ann" in text
    assert PASSWORD not in text


def test_a_file_of_nothing_is_empty_and_a_long_one_is_cut(app, tasks, client, monkeypatch):
    for at in range(7):
        tasks.add.delay(at)
    monkeypatch.setattr(exports, "MOST", 5)
    monkeypatch.setattr(exports, "_PIECE", 2)

    cut = client.get("/export/tasks", params={"format": "ndjson"}).text
    nothing = client.get("/export/tasks", params={"q": "name:nobody", "format": "ndjson"})

    assert len(cut.splitlines()) == 5
    assert (nothing.status_code, nothing.text) == (200, "")


@pytest.mark.parametrize(
    ("query", "status"), [({"q": "state:odd"}, 400), ({"format": "xls"}, 400), ({"format": "<b>"}, 400)]
)
def test_a_file_that_cannot_be_made_is_told_before_its_first_line(client, query, status):
    answer = client.get("/export/tasks", params=query)

    assert answer.status_code == status
    assert "content-disposition" not in answer.headers
    assert "<b>" not in answer.text


def test_a_stranger_gets_no_file(app):
    assert Client(dashboard(app, access=lambda request: None)).get("/export/tasks").status_code == 403


# --- bulk actions that take long --------------------------------------------------------------------------


@pytest.fixture
def slow_bulk(app, monkeypatch):
    """Bulk actions go on step by step, when they are let: five steps of ten tasks."""
    go_on = threading.Semaphore(0)

    def slowly(query, verb, *, dry_run=True, until=None, progress=None):
        result = bulk.Bulk(verb, dry_run, until or 0.0, matched=60, eligible=50)
        for step in range(5 if not dry_run else 0):
            result = replace(result, done=10 * (step + 1))
            progress(result)
            assert go_on.acquire(timeout=20)
        return result

    monkeypatch.setattr(app, "bulk", slowly)
    monkeypatch.setattr("celeriac.dashboard.pages.bulk.PATIENCE", 0.01)
    return go_on


def begun(client):
    return client.post("/bulk", {"q": "state:failed", "action": "retry", "sure": "yes"}).headers["location"]


def test_a_bulk_action_that_takes_long_has_a_page_that_shows_how_far_it_is(client, slow_bulk):
    page = begun(client)
    wait_until(lambda: client.get(f"/api/v1{page}").json()["done"] == 10)
    text = client.get(page).text
    for _ in range(5):
        slow_bulk.release()
    wait_until(lambda: client.get(f"/api/v1{page}").json()["state"] == "done")

    assert "10 of 50 done; 60 fit the filter" in text
    assert f'action="{page}/stop"' in text
    assert f'action="{page}/stop"' not in client.get(page).text
    assert client.get(f"/api/v1{page}").json()["done"] == 50


def test_a_bulk_action_is_stopped_after_its_step(client, slow_bulk):
    page = begun(client)

    stopping = client.post(f"{page}/stop")
    slow_bulk.release()
    wait_until(lambda: client.get(f"/api/v1{page}").json()["state"] == "stopped")
    late = client.post(f"/api/v1{page}/stop")

    assert stopping.headers["location"] == page
    assert client.get(f"/api/v1{page}").json()["done"] < 50
    assert late.status_code == 409


def test_a_bulk_action_of_another_process_is_missing_with_a_hint(client):
    answer = client.get("/bulk/gone")

    assert answer.status_code == 404
    assert "started again" in answer.text


def test_of_bulk_actions_that_have_ended_few_are_remembered():
    jobs = Jobs()
    made = [
        Job("q", "retry", lambda told: bulk.Bulk("retry", dry_run=False, until=0.0)) for _ in range(MOST + 5)
    ]

    for job in made:
        jobs.begin(job)
        assert job.wait(20)

    assert jobs.get(made[0].id) is None
    assert jobs.get(made[-1].id) is made[-1]


def test_a_bulk_action_that_fails_says_why():
    def fail(told):
        raise InvalidMessage("it is odd")

    job = Job("q", "retry", fail)
    job.begin()

    assert job.wait(20)
    assert (job.state, job.error) == ("failed", "it is odd")
