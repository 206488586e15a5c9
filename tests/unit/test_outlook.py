"""What those see who look on at a task, and that silence, a lost worker and an end are three facts."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celeriac import Celeriac, Update
from celeriac.outlook import Outlook, lost_on, measure, number


def seen(*updates: Update, now: float = 0.0, lost: bool | None = False):
    outlook = Outlook()
    for update in updates:
        outlook.see(update, 0.0)
    return outlook.view(now, lambda _: lost)


def running(**meta) -> Update:
    return Update("x", "PROGRESS", meta)


@pytest.mark.parametrize(
    ("update", "word", "amount", "share"),
    [
        (Update("x", "PENDING"), "Waiting", "", None),
        (Update("x", "STARTED"), "Running", "", None),
        (running(current=34, total=80), "Running", "34 of 80 · 42 %", 0.425),
        (running(current=82, total=80), "Running", "82 of 80 · 100 %", 1.0),
        (running(current=-5, total=80), "Running", "-5 of 80 · 0 %", 0.0),
        (running(current=1_234), "Running", "1,234", None),
        (running(current=1.5, total=3), "Running", "1.5 of 3 · 50 %", 0.5),
        (running(current=1, total=0), "Running", "1", None),
        (running(status="thinking"), "Running", "", None),
        (running(current=True, total="7"), "Running", "", None),
        (running(current=float("nan"), total=float("inf")), "Running", "", None),
        (
            Update("x", "RETRY", {"current": 1, "total": 4}),
            "Waiting to be tried again",
            "1 of 4 · 25 %",
            0.25,
        ),
        (Update("x", "SUCCESS", {"current": 3, "total": 4}, ready=True), "Done", "100 %", 1.0),
        (Update("x", "FAILURE", {"current": 3, "total": 4}, ready=True), "Failed", "3 of 4 · 75 %", 0.75),
        (Update("x", "REVOKED", ready=True), "Cancelled", "", None),
        (Update("x", "UNKNOWN", ready=True), "Unknown", "", None),
        (Update("x", "IN_THE_OVEN"), "Running", "", None),
    ],
)
def test_state_and_amount_in_words(update, word, amount, share):
    view = seen(update)

    assert (view.word, view.amount, view.share) == (word, amount, share)
    assert view.note == ""


@pytest.mark.parametrize(
    ("lost", "stalled", "note"),
    [
        (False, "silent", "No news for 2 min 10 s. The worker is alive."),
        (True, "lost", "The worker was lost. The task will be run again."),
        (None, "silent", "No news for 2 min 10 s."),
    ],
)
def test_a_silent_task_is_told_from_one_whose_worker_is_lost(lost, stalled, note):
    view = seen(running(current=1, total=4), now=130.0, lost=lost)

    assert (view.stalled, view.note, view.left) == (stalled, note, None)


def test_one_that_has_ended_is_neither_silent_nor_lost():
    view = seen(running(current=1, total=4), Update("x", "FAILURE", ready=True), now=1e6, lost=True)

    assert (view.stalled, view.note) == ("", "")


def test_a_lost_worker_is_noticed_before_silence_is():
    assert seen(running(current=1), now=12.0, lost=True).stalled == "lost"
    assert seen(running(current=1), now=12.0, lost=False).stalled == ""


def test_one_that_waits_after_it_ran_may_have_lost_its_worker():
    back = Update("x", "PENDING", {"current": 1, "total": 4})

    assert seen(running(current=1, total=4), back, lost=True).stalled == "lost"
    assert seen(running(current=1, total=4), back, lost=False).stalled == ""
    assert seen(Update("x", "PENDING"), now=1e6, lost=True).stalled == ""


def test_whether_a_worker_is_lost_is_not_asked_at_every_look():
    outlook, asked = Outlook(), []
    outlook.see(running(current=1), 0.0)

    for now in range(60):
        outlook.view(float(now), lambda _: asked.append(1))

    assert len(asked) == 10


def test_what_is_told_twice_is_no_news():
    outlook = Outlook()

    for now in (0.0, 100.0):
        outlook.see(running(current=1, total=4), now)

    assert outlook.view(100.0, lambda _: False).stalled == "silent"


def test_a_run_that_is_retried_is_timed_anew():
    outlook = Outlook()
    for step in range(10):
        outlook.see(running(current=step, total=100), step * 10.0)
    assert outlook.view(90.0, lambda _: False).left

    outlook.see(Update("x", "RETRY", {"current": 9, "total": 100}), 91.0)
    outlook.see(running(current=10, total=100), 200.0)

    view = outlook.view(200.0, lambda _: False)
    assert (view.left, view.rate) == (None, None)


def test_nothing_can_be_seen_before_the_first_update():
    with pytest.raises(ValueError, match="before the first update"):
        Outlook().view(0.0, lambda _: False)


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.just("7"), st.just([1]), st.just({"deep": None})
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.fixed_dictionaries({}, optional={"current": anything, "total": anything}), min_size=1, max_size=8
    )
)
def test_whatever_a_task_reports_can_be_shown(metas):
    outlook = Outlook()

    for now, meta in enumerate(metas):
        outlook.see(Update("x", "PROGRESS", meta), float(now))
        view = outlook.view(float(now), lambda _: None)

        assert view.share is None or 0 <= view.share <= 1
        assert isinstance(view.amount + view.note, str)


def test_numbers_that_cannot_be_drawn_are_none():
    assert [measure({"n": value}, "n") for value in (10**400, float("inf"), "7", None, False)] == [None] * 5
    assert measure([1], "n") is None
    assert (measure({"n": 7}, "n"), number(2.50), number(1_000_000)) == (7, "2.5", "1,000,000")


def test_the_store_says_whether_a_worker_is_lost():
    app = Celeriac("outlook", broker="memory://", set_as_current=False)

    @app.task
    def work() -> None: ...

    result = work.delay()
    is_lost = lost_on(app.broker, app.clock.now)

    assert is_lost(result.id) is False
    assert is_lost("nobody") is False
