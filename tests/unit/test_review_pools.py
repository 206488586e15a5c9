"""Pools at the edges: a run ended before it began, a thread that cannot start, a report that comes late."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from celeriac.broker import Report
from celeriac.clock import SystemClock
from celeriac.context import Run
from celeriac.errors import TaskRevokedError
from celeriac.message import Delivery
from celeriac.middleware import Moments
from celeriac.outcome import Settlement, Stopped
from celeriac.retry import RetryPolicy
from celeriac.states import Verdict
from celeriac.worker import isolated
from celeriac.worker.isolated import IsolatedPool
from celeriac.worker.pools import LoopPool, ThreadPool
from celeriac.worker.runner import Runner

SOON = 5.0


class Ends:
    """Collects settlements and says when one has come."""

    def __init__(self) -> None:
        self.settled: list[Settlement] = []
        self.came = threading.Event()

    def __call__(self, run: Run, settlement: Settlement) -> None:
        self.settled.append(settlement)
        self.came.set()


def a_job(body: Any) -> Any:
    return SimpleNamespace(
        name="work",
        policy=RetryPolicy(),
        throws=(),
        hooks=frozenset(),
        time_limit=None,
        soft_time_limit=None,
        ignore_result=True,
        load=lambda _payload: ((), {}),
        body=body,
    )


def a_run(body: Any, reporter: Any = None) -> Run:
    return Run(a_job(body), Delivery("a", "work", "default", 0, b"", b"", 1, 0, 0, 3, b""), reporter, "here")


def a_runner() -> Runner:
    return Runner(Moments(), SystemClock())


def test_a_run_that_was_ended_before_its_thread_began_is_not_run():
    calls: list[str] = []
    ends = Ends()
    pool = ThreadPool(a_runner(), ends, lambda: 1)
    run = a_run(lambda: calls.append("ran"))

    run.verdict = Stopped()
    pool.put([run])

    assert ends.came.wait(SOON)
    assert calls == []
    assert [settlement.verdict for settlement in ends.settled] == [Verdict.RELEASE]
    pool.close()


def test_a_run_that_was_ended_before_the_loop_began_it_is_not_run():
    calls: list[str] = []
    ends = Ends()

    async def body() -> None:
        calls.append("ran")

    async def main() -> None:
        pool = LoopPool(asyncio.get_running_loop(), a_runner(), ends, lambda: 1)
        run = a_run(body)
        run.verdict = Stopped()
        pool.put([run])
        await asyncio.wait_for(asyncio.to_thread(ends.came.wait, SOON), SOON)
        assert pool.active == 0

    asyncio.run(main())
    assert calls == []
    assert [settlement.verdict for settlement in ends.settled] == [Verdict.RELEASE]


def test_a_thread_that_cannot_start_costs_no_room_and_leaves_its_run_waiting(monkeypatch):
    ends = Ends()
    pool = ThreadPool(a_runner(), ends, lambda: 1)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        pool.put([a_run(lambda: None)])
    assert (pool.active, pool.backlog) == (0, 1)
    pool.nudge()

    assert ends.came.wait(SOON)
    pool.close()


class ChildThatReports:
    """A child as the pool knows it; it has sent one report."""

    def __init__(self) -> None:
        self.ready = True
        self.ended = False
        report = Report("a", 1, "PROGRESS", b"1")
        news = isolated._encode(isolated._Progress(report, answer=False))
        self.pipe = SimpleNamespace(recv_bytes=lambda: news)

    def tell(self, _message: object) -> None:
        pass

    def end(self) -> str:
        self.ended = True
        return "it was killed"


class ReporterOfALostLease:
    def report(self, run: Run, **_: Any) -> Any:
        raise TaskRevokedError("its lease was lost")


def test_a_child_that_reports_for_a_lost_lease_is_killed_and_forgotten(monkeypatch):
    child = ChildThatReports()
    monkeypatch.setattr(isolated, "_Child", lambda _loader, _hostname, _log_level: child)
    pool = IsolatedPool(a_runner(), Ends(), lambda: 1, loader=lambda: ({}, Moments()))

    with pytest.raises(TaskRevokedError):
        pool.run_one(a_run(None, ReporterOfALostLease()))

    assert child.ended
    assert not pool._busy
