"""Each page: what is seen there, its twin for programs, and what its buttons do."""

import json
import re
from html.parser import HTMLParser

import pytest

from celeriac import Celeriac
from celeriac.broker import WorkerInfo
from celeriac.dashboard import dashboard, pages
from tests.dashboard import shop
from tests.dashboard.client import Client
from tests.dashboard.shop import BIG, HOSTILE, PASSWORD

SUNDAY = "2027-03-27T12:00:00+00:00"  # the day before the clocks of Berlin go forward


@pytest.fixture
def app():
    with Celeriac("shop", broker="memory://") as app:
        yield app


@pytest.fixture
def tasks(app):
    return shop.make(app)


@pytest.fixture
def stage(app, tasks):
    with app.test(at=SUNDAY) as stage:
        yield stage


@pytest.fixture
def ids(app, tasks, stage):
    return shop.fill(app, tasks, stage)


@pytest.fixture
def client(app, stage):
    return Client(dashboard(app, access=lambda request: "admin"))


def paths(client, ids):
    """The address of each page, with something to be seen at it."""
    group = client.get("/api/v1/dead").json()["groups"][0]["key"]
    return [
        *("/", "/tasks", f"/tasks?id={ids.done}", "/queues", "/queue?name=slow", "/workers", "/schedules"),
        *("/names", "/name?name=shop.fail", "/activity"),
        *(
            "/schedule?name=nightly+%3Cb%3E",
            "/schedules/try?rule=0+3+*+*+*",
            "/dead",
            f"/dead/group?key={group}",
        ),
        *(
            "/flows",
            f"/flows/{ids.flow}",
            f"/flows/{ids.waiting}",
            f"/tasks/{ids.done}",
            f"/tasks/{ids.failed[0]}",
            f"/tasks/{ids.shaky}",
        ),
        *(f"/tasks/{ids.queued}", f"/tasks/{ids.later}", f"/tasks/{ids.waiting}"),
    ]


class Reader(HTMLParser):
    """Reads a page as a browser would, and remembers what could do harm."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.attributes, self.problems, self.open = "", [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        for name, value in attrs:
            if name.startswith("on") or name == "style" or (value or "").lower().startswith("javascript:"):
                self.problems.append((tag, name, value))
        if tag == "script" and not (dict(attrs).get("src") or "").startswith("/static/"):
            self.problems.append((tag, "inline", ""))

    def handle_data(self, data):
        self.text += data


def read(text):
    reader = Reader()
    reader.feed(text)
    return reader


def test_every_page_and_its_twin_can_be_looked_at(client, ids):
    for path in paths(client, ids):
        page = client.get(path)
        twin = client.get("/api/v1" + ("/overview" if path == "/" else path))

        assert page.status_code == twin.status_code == 200, path
        assert page.headers["content-type"].startswith("text/html")
        assert twin.headers["content-type"] == "application/json"
        assert isinstance(twin.json(), dict)


def test_hostile_text_stays_text_on_every_page_and_controls_are_seen(client, ids):
    for path in paths(client, ids):
        text = client.get(path).text
        reader = read(text)

        assert reader.problems == [], path
        assert "img" not in reader.tags
        assert reader.tags.count("script") == 1
        assert not set("\x1b\x00\x07\u202e\u2066") & set(text)
    everything = "".join(read(client.get(f"/tasks/{each}").text).text for each in ids.failed)
    assert all(text in everything for text in HOSTILE if text.isprintable())


def test_no_secret_leaves_the_server_and_every_digit_does(client, ids):
    for path in (f"/tasks/{ids.done}", f"/api/v1/tasks/{ids.done}", f"/changes?view=/tasks/{ids.done}"):
        text = client.get(path).text

        assert PASSWORD not in text
        assert str(BIG) in text
        assert "•••" in json.dumps(text, ensure_ascii=False)


def test_no_page_has_words_of_its_own(app, ids, client):
    from celeriac.dashboard.access import Open
    from celeriac.dashboard.site import Site
    from celeriac.dashboard.web import build

    foreign = Client(build(Site(app, Open(), language="x-pseudo")))
    for path in (
        "/",
        "/tasks",
        "/queues",
        "/workers",
        "/schedules",
        "/dead",
        "/flows",
        "/names",
        "/activity",
    ):
        page = foreign.get(path)
        headings = re.findall(
            r"<(?:h1|h2|th scope=\"col\"|dt|label|caption)[^>]*>(.*?)</", page.text, re.DOTALL
        )

        assert headings
        assert all("⟦" in heading or heading.startswith(("<a", "<kbd")) for heading in headings), (
            path,
            headings,
        )


def test_every_page_has_what_a_screen_reader_goes_by(client, ids):
    for path in paths(client, ids):
        text = client.get(path).text

        assert text.count("<h1") == 1
        assert '<main id="content"' in text
        assert 'class="skip" href="#content"' in text
        assert text.count("<table") == text.count("<caption") or path == "/"
        assert not re.findall(r"<th(?! scope=)[ >]", text)
        names = re.findall(r' id="([^"]+)"', text)
        assert len(names) == len(set(names)), path


# --- the task ---------------------------------------------------------------------------------------------


def test_a_task_that_does_not_run_says_why(client, ids):
    assert "The queue slow is paused." in client.get(f"/tasks/{ids.queued}").text
    assert client.get(f"/api/v1/tasks/{ids.later}").json()["reason_code"] == "scheduled"


def test_a_failed_task_shows_its_error_and_the_line_of_ones_own_code(client, ids):
    view = client.get(f"/api/v1/tasks/{ids.missed[0]}").json()

    assert view["task"]["error"]["kind"] == "KeyError"
    assert view["task"]["error"]["own"] == "shop.py in miss"
    assert view["can"] == ["retry", "again", "delete"]


def test_a_link_of_a_chain_shows_what_it_was_given(app, tasks, stage, client):
    result = (tasks.add.s(20, 22) | tasks.add.s("x")).delay()
    stage.run_until_idle()

    view = client.get(f"/api/v1/tasks/{result.id}").json()

    assert view["task"]["args"] == [42, "x"]
    assert "42" in client.get(f"/tasks/{result.id}").text


def test_every_attempt_of_a_task_is_told_with_its_error(client, ids):
    view = client.get(f"/api/v1/tasks/{ids.shaky}").json()
    page = read(client.get(f"/tasks/{ids.shaky}").text)

    told = [(each["number"], each["how"], each["error"]["message"]) for each in view["task"]["earlier"]]
    assert told == [(1, "retried", HOSTILE[0]), (2, "retried", HOSTILE[0])]
    assert [part["kind"] for part in view["timeline"]] == ["wait", "bad", "wait", "bad", "wait", "good"]
    assert "Attempt 1" in page.text
    assert "Attempt 2" in page.text
    assert not page.problems


def test_what_waits_for_its_retry_has_ended_its_attempt_and_waits(app, tasks, client, stage):
    @app.task(name="shop.later", bind=True)
    def later(self):
        raise self.retry(countdown=600)

    waiting = later.delay()
    stage.run_until_idle()

    view = client.get(f"/api/v1/tasks/{waiting.id}").json()
    assert [(part["kind"], part["key"]) for part in view["timeline"]][1:] == [
        ("bad", "timeline.retried"),
        ("wait", "timeline.waits_again"),
    ]


def test_a_task_whose_worker_is_silent_past_its_lease_says_so(app, tasks, client, stage):
    sent, now = tasks.add.delay(1, 2), app.clock.now()
    worker = WorkerInfo(id="worker-1", name="w", names=frozenset({"shop.add"}), lease=10.0)
    app.broker.enlist(worker, now)
    assert app.broker.exchange("worker-1", trip=1, want=1, now=now).claims
    told = client.get(f"/tasks/{sent.id}").text

    app.clock.advance(14.0)

    assert "has not been heard of" not in told
    assert "worker-1 has not been heard of for 14 s" in client.get(f"/tasks/{sent.id}").text


def test_a_missing_task_is_told_with_how_long_results_are_kept(client, stage):
    answer = client.get("/tasks/gone")

    assert answer.status_code == 404
    assert "result_expires" in answer.text


def test_retrying_a_failed_task_queues_it_again(app, client, ids):
    answer = client.post(f"/tasks/{ids.failed[0]}/retry")
    page = client.get(answer.headers["location"])
    once_more = client.get(answer.headers["location"])

    assert answer.status_code == 303
    assert app.AsyncResult(ids.failed[0]).state == "PENDING"
    assert "was queued again" in page.text
    assert "was queued again" not in once_more.text


def test_running_a_task_again_makes_a_new_one_with_the_same_arguments(app, client, stage, ids):
    made = client.post(f"/api/v1/tasks/{ids.done}/again").json()["id"]
    stage.run_until_idle()

    assert made != ids.done
    assert app.AsyncResult(made).get()["big"] == BIG
    assert app.AsyncResult(made).kwargs == {"token": PASSWORD}


def test_a_task_that_was_given_others_results_is_not_run_again_alone(app, client, ids):
    answer = client.post(f"/api/v1/tasks/{ids.flow}/again")

    assert answer.status_code == 409
    assert "was given what others have returned" in answer.json()["text"]


def test_what_waits_for_its_moment_is_run_now_or_cancelled(app, client, ids):
    client.post(f"/tasks/{ids.later}/run-now")
    ran = app.AsyncResult(ids.later).explain().code
    client.post(f"/tasks/{ids.later}/cancel")

    assert ran != "scheduled"
    assert app.AsyncResult(ids.later).state == "REVOKED"


def test_what_is_too_late_is_told_and_not_done(client, ids):
    page = client.post(f"/tasks/{ids.done}/cancel")

    assert "had ended before" in client.get(page.headers["location"]).text
    assert client.post(f"/api/v1/tasks/{ids.done}/cancel").status_code == 409


def test_deleting_asks_first_and_then_deletes(app, client, ids):
    asked = client.post(f"/tasks/{ids.done}/delete")
    still = app.AsyncResult(ids.done).state
    done = client.post(f"/tasks/{ids.done}/delete", {"sure": "yes"})

    assert asked.status_code == 200
    assert 'name="sure" value="yes"' in asked.text
    assert still == "SUCCESS"
    assert done.headers["location"] == "/tasks"
    assert app.AsyncResult(ids.done).state == "UNKNOWN"


# --- queues -----------------------------------------------------------------------------------------------


def test_queues_are_paused_resumed_and_purged(app, client, ids):
    client.post("/queue/resume", {"name": "slow"})
    asked = client.post("/queue/purge", {"name": "slow"})
    purged = client.post("/queue/purge", {"name": "slow", "sure": "yes"})

    assert "1 queued and 0 scheduled" in asked.text
    assert "1 task of the queue slow" in client.get(purged.headers["location"]).text
    assert app.AsyncResult(ids.queued).state == "REVOKED"


def test_to_purge_much_its_name_has_to_be_typed(app, tasks, client, stage):
    for at in range(101):
        tasks.add.apply_async((at,), queue="mail")

    for typed in ("", "mial"):
        asked = client.post("/queue/purge", {"name": "mail", "sure": "yes", "typed": typed})
        assert asked.status_code == 200
        assert "Type mail" in asked.text
    client.post("/queue/purge", {"name": "mail", "sure": "yes", "typed": "mail"})

    assert [queue.name for queue in app.broker.queues()] == []


@pytest.mark.parametrize("name", ["", "a b", "<b>", "x" * 200, "../x"])
def test_a_name_that_no_queue_can_have_is_an_error_and_no_bug(client, name):
    assert client.get("/queue", params={"name": name}).status_code == 400
    assert client.post("/queue/pause", {"name": name}).status_code == 400


# --- the dead letter --------------------------------------------------------------------------------------


def test_failures_of_the_same_kind_are_one_group(client, ids):
    view = client.get("/api/v1/dead").json()

    kinds = {(group["name"], group["kind"], group["own"]): group["count"] for group in view["groups"]}
    assert kinds == {
        ("shop.fail", "ValueError", "shop.py in fail"): len(HOSTILE),
        ("shop.miss", "KeyError", "shop.py in miss"): 3,
    }


def test_a_group_is_retried_after_a_dry_run_and_others_are_not(app, client, ids):
    groups = client.get("/api/v1/dead").json()["groups"]
    [key] = [group["key"] for group in groups if group["name"] == "shop.miss"]

    asked = client.post("/dead/requeue", {"group": key})
    done = client.post("/dead/requeue", {"group": key, "sure": "yes"})

    assert "3 tasks would be queued again" in asked.text
    assert "3 tasks are queued again" in client.get(done.headers["location"]).text
    assert {app.AsyncResult(each).state for each in ids.missed} == {"PENDING"}
    assert {app.AsyncResult(each).state for each in ids.failed} == {"FAILURE"}


def test_what_fails_after_the_question_is_not_meant_by_it(app, tasks, client, stage, ids):
    before = stage.clock.now()
    stage.clock.advance(60)
    later = tasks.fail.delay("later")
    stage.run_until_idle()

    client.post("/dead/drop", {"group": "all", "until": str(before + 1), "sure": "yes"})

    assert app.AsyncResult(later.id).state == "FAILURE"
    assert app.AsyncResult(ids.failed[0]).state == "UNKNOWN"


def test_programs_can_ask_what_would_be_done(app, client, ids):
    told = client.post("/api/v1/dead/drop", {"group": "all", "dry_run": "yes"}).json()

    assert told["done"] == len(HOSTILE) + 3
    assert told["dry_run"] is True
    assert app.AsyncResult(ids.failed[0]).state == "FAILURE"


def test_acting_on_failures_without_saying_which_is_refused(client, ids):
    assert client.post("/api/v1/dead/drop", {}).status_code == 400


# --- schedules --------------------------------------------------------------------------------------------

NAME = "nightly <b>"


def test_the_runs_to_come_are_shown_and_those_that_the_clocks_move(client, ids):
    view = client.get("/api/v1/schedule", params={"name": NAME}).json()

    assert len(view["coming"]) == 20
    assert "clocks go forward" in view["coming"][0]["note"]
    assert view["coming"][1]["note"] == ""


def test_the_zone_of_a_schedule_is_changed_alone_and_kept_with_another_rule(app, client, ids):
    client.post("/schedule/change", {"name": NAME, "timezone": "Asia/Tokyo"})
    moved = app.schedules.get(NAME).rule
    client.post("/schedule/change", {"name": NAME, "rule": "0 5 * * *"})

    assert (moved, app.schedules.get(NAME).rule) == ("30 2 * * * (Asia/Tokyo)", "0 5 * * * (Asia/Tokyo)")


def test_a_schedule_is_run_paused_resumed_changed_and_removed(app, client, stage, ids):
    ran = client.post("/api/v1/schedule/run", {"name": NAME}).json()["id"]
    client.post("/schedule/pause", {"name": NAME})
    paused = app.schedules.get(NAME)
    client.post("/schedule/resume", {"name": NAME})
    client.post("/schedule/change", {"name": NAME, "rule": "0 5 * * *", "timezone": "UTC", "overlap": "skip"})
    changed = app.schedules.get(NAME)
    client.post("/schedule/remove", {"name": NAME, "sure": "yes"})
    stage.run_until_idle()

    assert app.AsyncResult(ran).get() == 2
    assert paused.paused
    assert (changed.rule, changed.task, changed.paused) == ("0 5 * * *", "shop.add", False)
    assert app.schedules.list() == []


@pytest.mark.parametrize(
    ("field", "value"), [("rule", "x y"), ("overlap", "maybe"), ("grace", "-1"), ("grace", "x")]
)
def test_a_wrong_change_is_told_and_changes_nothing(app, client, ids, field, value):
    before = app.schedules.get(NAME)

    answer = client.post("/api/v1/schedule/change", {"name": NAME, field: value})

    assert answer.status_code == 400
    assert app.schedules.get(NAME) == before


def test_a_rule_is_tried_before_it_is_used(client, stage):
    good = client.get(
        "/api/v1/schedules/try", params={"rule": "0 3 * * *", "timezone": "Europe/Berlin"}
    ).json()
    bad = client.get("/schedules/try", params={"rule": "<script>", "timezone": "Nowhere/<b>"})

    assert "03:00" in good["explained"]
    assert len(good["coming"]) == 20
    assert bad.status_code == 200
    assert read(bad.text).tags.count("script") == 1


# --- flows ------------------------------------------------------------------------------------------------


def test_a_flow_is_a_picture_and_the_same_as_a_list(client, ids):
    view = client.get(f"/api/v1/flows/{ids.flow}").json()
    text = client.get(f"/flows/{ids.flow}").text

    assert (view["total"], view["done"]) == (21, 21)
    assert len(view["layout"]["boxes"]) == 3  # twenty alike, what brings them together, the sum
    assert "shop.add × 20" in text
    assert 'class="outline"' in text


def test_the_rest_of_a_flow_is_cancelled_after_a_question(app, client, ids):
    asked = client.post(f"/flows/{ids.waiting}/cancel")
    client.post(f"/flows/{ids.waiting}/cancel", {"sure": "yes"})

    assert "would be cancelled" in asked.text
    assert app.AsyncResult(ids.waiting).state == "REVOKED"
    assert client.get("/api/v1/flows").json()["flows"] == []


# --- the overview -----------------------------------------------------------------------------------------


def test_what_is_wrong_comes_first(client, ids):
    view = client.get("/api/v1/overview").json()

    assert any("slow is paused" in verdict["text"] for verdict in view["verdicts"])
    assert view["failures"][0]["count"] >= 3


def test_every_page_is_in_the_list_of_pages_with_a_template_of_its_own():
    addresses = [page.path for page in pages.PAGES]

    assert len(addresses) == len(set(addresses))
    assert len({action.path for action in pages.ACTIONS}) == len(pages.ACTIONS)


# --- the list of tasks ------------------------------------------------------------------------------------


def test_tasks_are_found_by_a_filter_and_paged_by_a_cursor(client, ids):
    first = client.get("/api/v1/tasks", params={"q": "name:shop.fail", "count": "25"}).json()
    failed = client.get("/api/v1/tasks", params={"q": "state:failed error:onerror"}).json()

    assert {row["id"] for row in first["tasks"]} == set(ids.failed)
    assert [row["id"] for row in failed["tasks"]] == [ids.failed[0]]
    assert {tab["state"]: tab["count"] for tab in first["tabs"]}["failed"] == str(len(HOSTILE) + 3)


def test_a_filter_that_cannot_be_read_is_told_below_the_box_and_to_programs_as_an_error(client, ids):
    page = client.get("/tasks", params={"q": "state:<script>"})
    twin = client.get("/api/v1/tasks", params={"q": "state:<script>"})

    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert read(page.text).tags.count("script") == 1
    assert twin.status_code == 400


def test_the_same_is_done_with_all_that_a_filter_means_after_a_count(app, client, ids):
    form = {"q": "name:shop.miss|shop.fail", "action": "retry"}

    asked = client.post("/bulk", form)
    told = client.post("/api/v1/bulk", {**form, "dry_run": "yes"}).json()
    before = app.AsyncResult(ids.missed[0]).state
    done = client.post("/bulk", {**form, "sure": "yes"})

    assert f"{len(HOSTILE) + 3} tasks would be queued again" in asked.text
    assert (told["eligible"], told["done"]) == (len(HOSTILE) + 3, 0)
    assert before == "FAILURE"
    assert done.status_code == 303
    assert {app.AsyncResult(each).state for each in (*ids.failed, *ids.missed)} == {"PENDING"}


def test_only_an_administrator_deletes_by_a_filter(app, stage, ids):
    operator = Client(dashboard(app, access=lambda request: "operator"))

    answer = operator.post("/api/v1/bulk", {"q": "state:failed", "action": "delete"})
    asked = operator.post("/bulk", {"q": "state:failed", "action": "delete"})

    assert answer.status_code == asked.status_code == 403
    assert "admin" in answer.json()["text"]
    assert 'name="sure"' not in asked.text
    assert app.AsyncResult(ids.failed[0]).state == "FAILURE"


@pytest.mark.parametrize(
    "form", [{}, {"action": "explode", "q": "x"}, {"action": "retry"}, {"action": "delete", "q": ""}]
)
def test_a_bulk_action_on_nothing_in_particular_is_refused(client, ids, form):
    assert client.post("/api/v1/bulk", form).status_code == 400
