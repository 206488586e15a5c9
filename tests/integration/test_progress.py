"""Reporting from inside a task: update_state, progress, track; what current_task and request are there."""

import asyncio
import threading

import pytest

from celeriac import Task, current_task
from celeriac.errors import EncodeError

SOON = 10.0


def test_update_state_is_seen_while_the_task_runs(app):
    seen = threading.Event()

    @app.task(bind=True)
    def work(self):
        self.update_state(state="PROGRESS", meta={"current": 3, "total": 10, "status": "on the way"})
        assert seen.wait(SOON)
        return "done"

    with app.embedded():
        result = work.delay()
        update = next(update for update in result.updates(timeout=SOON) if update.state == "PROGRESS")
        assert (update.current, update.total, update.status) == (3, 10, "on the way")
        assert result.state == "PROGRESS"
        assert result.info == {"current": 3, "total": 10, "status": "on the way"}
        seen.set()
        assert result.get(timeout=SOON) == "done"


def test_update_state_takes_celerys_positional_arguments(memory_app):
    seen = threading.Event()

    @memory_app.task(bind=True)
    def work(self):
        self.update_state(self.request.id, "LOADING", [1, "two", None])
        assert seen.wait(SOON)

    with memory_app.embedded():
        result = work.delay()
        update = next(update for update in result.updates(timeout=SOON) if update.state == "LOADING")
        assert update.meta == [1, "two", None]
        assert (update.current, update.total, update.status) == (0, 1, "")
        seen.set()
        result.get(timeout=SOON)


def test_it_works_in_coroutines_too(app):
    @app.task(bind=True)
    async def work(self):
        for step in range(1, 4):
            self.progress(step, 3, f"step {step}")
            assert await asyncio.to_thread(stored[step].wait, SOON)
        return "done"

    stored = {step: threading.Event() for step in (1, 2, 3)}
    steps = []
    with app.embedded():
        for update in work.delay().updates(timeout=SOON):
            if update.state == "PROGRESS":
                steps.append((update.current, update.total, update.status))
                stored[update.current].set()

    assert steps == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]
    assert (update.state, update.result) == ("SUCCESS", "done")


def test_the_last_of_several_reports_counts(app):
    may_end = threading.Event()

    @app.task(bind=True)
    def work(self):
        for n in range(1000):
            self.progress(n, 999)
        assert may_end.wait(SOON)

    with app.embedded():
        result = work.delay()
        for update in result.updates(timeout=SOON):
            if update.current == 999:
                may_end.set()

    assert update.current == 999
    assert update.state == "SUCCESS"


def test_track_reports_about_a_hundred_times_whatever_the_length(memory_app, monkeypatch):
    reports = []

    @memory_app.task(bind=True)
    def work(self, count):
        monkeypatch.setattr(self, "progress", lambda *args: reports.append(args))
        return sum(1 for _ in self.track(range(count), status="counting"))

    with memory_app.embedded():
        for count in (0, 1, 7, 150, 199, 10_000):
            reports.clear()
            assert work.delay(count).get(timeout=SOON) == count
            assert len(reports) <= 102
            assert reports[0] == (0, count or 1, "counting")
            assert reports[-1][:2] == (count, count or 1)


def test_track_of_an_iterable_without_length_takes_a_total_or_does_without(memory_app, monkeypatch):
    reports = []

    @memory_app.task(bind=True)
    def work(self, total=None):
        monkeypatch.setattr(self, "progress", lambda *args: reports.append(args))
        return list(self.track((n for n in range(3)), total=total))

    with memory_app.embedded():
        assert work.delay(total=4).get(timeout=SOON) == [0, 1, 2]
        assert [report[:2] for report in reports] == [(0, 4), (1, 4), (2, 4), (3, 4)]
        reports.clear()
        assert work.delay().get(timeout=SOON) == [0, 1, 2]
        assert reports[0][0] == 0
        assert all(current <= total for current, total, _ in reports)


@pytest.mark.parametrize(
    "state", ["SUCCESS", "FAILURE", "REVOKED", "PENDING", "STARTED", "RETRY", "", "x" * 65]
)
def test_a_task_cannot_give_itself_a_state_that_is_celeriacs(memory_app, state):
    @memory_app.task(bind=True)
    def work(self):
        self.update_state(state=state)

    with memory_app.embedded(), pytest.raises(ValueError, match="cannot set the state"):
        work.delay().get(timeout=SOON)


def test_a_task_cannot_report_for_another(memory_app):
    @memory_app.task(bind=True)
    def work(self):
        self.update_state(task_id="another", state="PROGRESS")

    with memory_app.embedded(), pytest.raises(ValueError, match="cannot report for another"):
        work.delay().get(timeout=SOON)


@pytest.mark.parametrize("meta", [object(), float("nan"), {"x": {1j}}])
def test_a_meta_without_json_form_is_an_error_in_the_task(memory_app, meta):
    @memory_app.task(bind=True)
    def work(self):
        self.update_state(state="PROGRESS", meta=meta)

    with memory_app.embedded(), pytest.raises(EncodeError, match="the meta of update_state"):
        work.delay().get(timeout=SOON)


def test_progress_ends_with_the_task_and_starts_anew_with_a_retry(app):
    @app.task(bind=True)
    def work(self):
        if not self.request.retries:
            self.progress(5, 10, "first")
            raise self.retry(countdown=0.3)
        return "done"

    with app.embedded():
        updates = list(work.delay().updates(timeout=SOON))

    assert "RETRY" in [update.state for update in updates]
    assert updates[-1].result == "done"


# --- what is current --------------------------------------------------------------------------------------


def test_current_task_is_right_in_nested_calls_in_threads_and_on_the_loop(app):
    seen = []

    @app.task
    def inner():
        seen.append(current_task.name)

    @app.task
    def outer():
        inner()
        seen.append(current_task.name)
        inner.apply().get()
        seen.append((current_task.name, current_task.request.id))

    @app.task
    async def outer_async():
        inner()
        await asyncio.gather(asyncio.sleep(0), deeper())
        seen.append((current_task.name, current_task.request.id))

    async def deeper():
        await asyncio.sleep(0)
        seen.append(current_task.name)

    with app.embedded():
        result = outer.delay()
        result.get(timeout=SOON)
        assert seen == [inner.name, outer.name, inner.name, (outer.name, result.id)]
        seen.clear()
        result = outer_async.delay()
        result.get(timeout=SOON)
        assert seen == [inner.name, outer_async.name, (outer_async.name, result.id)]

    assert not current_task


def test_many_coroutines_on_one_loop_each_have_their_own_request(memory_app):
    @memory_app.task(bind=True)
    async def work(self, n):
        before = self.request.id
        for _ in range(5):
            await asyncio.sleep(0)
            assert self.request.id == current_task.request.id == before
            assert self.request.args == (n,)
        return before

    with memory_app.embedded():
        results = work.delay_many((n,) for n in range(100))
        assert [result.get(timeout=SOON) for result in results] == [result.id for result in results]


def test_a_task_called_like_a_function_inside_another_reports_for_that_one(app):
    seen = threading.Event()

    @app.task(bind=True)
    def helper(self):
        self.progress(1, 2, "by the helper")
        return self.request.id

    @app.task(bind=True)
    def work(self):
        assert helper() == self.request.id
        assert seen.wait(SOON)

    with app.embedded():
        result = work.delay()
        update = next(update for update in result.updates(timeout=SOON) if update.state == "PROGRESS")
        assert update.status == "by the helper"
        seen.set()
        result.get(timeout=SOON)


def test_a_class_with_run_is_the_classic_long_task(app):
    class LongTask(Task):
        name = "long_task"

        def run(self, total: int = 3) -> dict[str, object]:
            for n in range(total):
                self.update_state(
                    state="PROGRESS", meta={"current": n, "total": total, "status": f"part {n}"}
                )
            return {"current": total, "total": total, "status": "Task completed!", "result": 42}

    long_task = app.register_task(LongTask())

    with app.embedded():
        result = long_task.apply_async()
        assert result.get(timeout=SOON) == {
            "current": 3,
            "total": 3,
            "status": "Task completed!",
            "result": 42,
        }
        assert result.info["result"] == 42
