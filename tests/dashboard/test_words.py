"""The words: one thing is one thing, and a state is called as its tab is."""

import pytest

from celeriac import Celeriac
from celeriac.broker import WorkerInfo
from celeriac.dashboard import words
from celeriac.dashboard.english import ENGLISH
from tests.dashboard import shop


@pytest.fixture
def app():
    with Celeriac("shop", broker="memory://") as app:
        yield app


@pytest.fixture
def tasks(app):
    return shop.make(app)


@pytest.fixture
def stage(app, tasks):
    with app.test() as stage:
        yield stage


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("dead.searched", {"n": "1"}, "1 failure"),
        ("dead.searched", {"n": "2"}, "2 failures"),
        ("dead.searched", {"n": "1,001"}, "1,001 failures"),
        ("schedule.coming", {"n": 1}, "The next run"),
        ("schedule.coming", {"n": 20}, "The next 20 runs"),
        ("bulk.done", {"n": "0", "m": "1"}, "Done with 0 of 1 task."),
        ("bulk.done", {"n": "1", "m": "2"}, "Done with 1 of 2 tasks."),
        ("picked.count", {"n": 1}, "1 picked"),
    ],
)
def test_one_thing_is_told_as_one(key, values, said):
    assert words.english(key, **values) == said


def test_every_word_for_one_thing_has_its_word_for_many():
    assert {key.removesuffix(".one") for key in ENGLISH if key.endswith(".one")} <= ENGLISH.keys()


def test_stopping_a_worker_of_one_process_speaks_of_one():
    said = words.english("worker.stop.fact", n=1, name="shop@one")

    assert said.startswith("The one process of shop@one ends")


def test_a_task_that_does_not_run_is_called_as_the_tab_under_which_it_is(app, tasks, client):
    queued = tasks.add.delay(1).id
    later = tasks.add.apply_async((1,), countdown=3_600).id
    waiting = (tasks.add.s(1).set(countdown=3_600) | tasks.add.s(2)).apply_async().id

    seen = {each: badge(client.get(f"/tasks?q=id:{each}").text) for each in (queued, later, waiting)}

    assert seen == {queued: "Queued", later: "Scheduled", waiting: "Waiting"}
    assert badge(client.get(f"/tasks/{later}").text) == "Scheduled"


def badge(page: str) -> str:
    """The words of the first badge on a page."""
    return page.partition('class="badge')[2].partition("<span>")[2].partition("</span>")[0]


def test_a_log_without_a_line_speaks_of_a_level_only_where_one_is_chosen(app, tasks, client, stage):
    task, now = tasks.add.delay(1).id, app.clock.now()
    worker = WorkerInfo("w", "w", "host", 1, ("default",), frozenset({"shop.add"}), 60.0, 1, "0")
    app.broker.enlist(worker, now)
    app.broker.exchange("w", trip=1, want=1, now=now, queues=("default",))

    assert "It has logged nothing.</span>" in client.get(f"/tasks/{task}").text
    assert "It has logged nothing of this level.</span>" in client.get(f"/tasks/{task}?level=error").text


def test_only_what_destroys_is_asked_in_red_and_the_list_is_of_tasks_alone(app, tasks, client, stage):
    ids = [tasks.fail.delay("no").id for _ in range(2)]
    stage.run_until_idle()

    asked = client.post("/picked", {"action": "retry", "id": " ".join(ids)}).text
    harmless = [
        asked,
        client.post("/bulk", {"action": "retry", "q": "state:failed"}).text,
        client.post("/bulk", {"action": "run-now", "q": "state:failed"}).text,
        client.post("/dead/requeue", {"group": "all"}).text,
    ]
    destroying = [
        client.post("/picked", {"action": "delete", "id": " ".join(ids)}).text,
        client.post("/bulk", {"action": "revoke", "q": "state:failed"}).text,
        client.post("/dead/drop", {"group": "all"}).text,
    ]

    assert asked.count("<li>shop.fail") == 2
    assert "<p>2 tasks would be queued again.</p>" in asked
    assert all("button main" in asking(text) and "danger" not in asking(text) for text in harmless)
    assert all("button danger" in asking(text) for text in destroying)


def asking(page: str) -> str:
    """The form that asks."""
    return page.partition('<form class="card narrow')[2].partition("</form>")[0]
