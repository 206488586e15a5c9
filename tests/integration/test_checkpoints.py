"""Checkpoints: a retried or recovered run starts from the last one."""

import asyncio
import threading

import pytest

from celeriac.errors import EncodeError

SOON = 10.0


def test_a_retried_run_starts_from_the_last_checkpoint(app):
    runs = []

    @app.task(bind=True)
    def walk(self, upto):
        start = self.cursor or 0
        runs.append(start)
        for step in range(start, upto):
            self.checkpoint(step + 1)
            if step in (2, 5) and len(runs) < 3:
                raise self.retry(countdown=0)
        return self.cursor

    with app.embedded():
        assert walk.delay(8).get(timeout=SOON) == 8

    assert runs == [0, 3, 6]


def test_it_works_in_coroutines_too(app):
    runs = []

    @app.task(bind=True)
    async def walk(self, upto):
        start = self.cursor or 0
        runs.append(start)
        for step in range(start, upto):
            await self.acheckpoint(step + 1)
            if step == 2 and len(runs) < 2:
                raise self.retry(countdown=0)
        return self.cursor

    @app.task(bind=True)
    async def hand_over(self):
        if self.cursor is None:
            self.checkpoint({"page": 7})  # returns at once on a loop
            assert self.cursor == {"page": 7}
            raise self.retry(countdown=0)
        return self.cursor

    with app.embedded():
        assert walk.delay(4).get(timeout=SOON) == 4
        assert hand_over.delay().get(timeout=SOON) == {"page": 7}

    assert runs == [0, 3]


def test_checkpoint_returns_when_the_store_has_it(app):
    seen = []

    @app.task(bind=True)
    def walk(self):
        for step in (1, 2, 3):
            self.checkpoint(step, current=step, total=3, status="walking")
            record = app.broker.get([self.request.id])[0]
            seen.append((record.checkpoint, record.meta, record.custom))

    @app.task(bind=True)
    async def walk_async(self):
        await self.acheckpoint(9)
        seen.append((await asyncio.to_thread(app.broker.get, [self.request.id]))[0].checkpoint)

    with app.embedded():
        walk.delay().get(timeout=SOON)
        walk_async.delay().get(timeout=SOON)

    assert seen == [
        *[
            (b"%d" % step, b'{"current":%d,"total":3,"status":"walking"}' % step, "PROGRESS")
            for step in (1, 2, 3)
        ],
        b"9",
    ]


def test_progress_and_checkpoint_are_one_write(memory_app, monkeypatch):
    reports = []
    report = memory_app.broker.report

    def spy(worker, batch, now):
        reports.extend(batch)
        return report(worker, batch, now)

    monkeypatch.setattr(memory_app.broker, "report", spy)

    @memory_app.task(bind=True)
    def walk(self):
        self.checkpoint("here", current=1, total=2)

    with memory_app.embedded():
        walk.delay().get(timeout=SOON)

    [one] = reports
    assert (one.checkpoint, one.state) == (b'"here"', "PROGRESS")
    assert b'"current":1' in one.meta


def test_a_recovered_run_starts_from_the_last_checkpoint(app):
    """A worker that is stopped in a hurry gives the task back; the next one goes on from there."""
    reached, never = threading.Event(), threading.Event()

    @app.task(bind=True)
    def walk(self):
        if self.cursor is None:
            self.checkpoint([1, 2])
            reached.set()
            while not never.wait(0.01):
                continue
        return (self.cursor, self.request.retries, self.request.crashes)

    result = walk.delay()
    with app.embedded() as worker:
        assert reached.wait(SOON)
        worker.worker.stop(hurry=True)
    assert result.state == "PROGRESS" or result.state == "PENDING"

    with app.embedded():
        assert result.get(timeout=SOON) == [[1, 2], 0, 0]


def test_without_a_checkpoint_the_cursor_is_none(memory_app):
    @memory_app.task(bind=True)
    def look(self):
        return self.cursor is None

    with memory_app.embedded():
        assert look.delay().get(timeout=SOON) is True


@pytest.mark.parametrize("value", [object(), float("nan")])
def test_a_checkpoint_without_json_form_is_an_error_in_the_task(memory_app, value):
    @memory_app.task(bind=True)
    def walk(self):
        self.checkpoint(value)

    with memory_app.embedded(), pytest.raises(EncodeError, match="the checkpoint of"):
        walk.delay().get(timeout=SOON)


def test_a_new_call_begins_without_the_checkpoint_of_another(memory_app):
    @memory_app.task(bind=True)
    def walk(self, value):
        before = self.cursor
        self.checkpoint(value)
        return before

    with memory_app.embedded():
        assert [walk.delay(n).get(timeout=SOON) for n in (1, 2)] == [None, None]
