"""The guard against leaks sees what is left behind, and nothing else."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import pytest

from tests import leaks
from tests.leaks import nothing_left_behind

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    monkeypatch.setattr(leaks, "GRACE", 0.1)


def test_a_process_left_behind_is_reported_and_ended():
    with pytest.raises(AssertionError, match=r"signal\.pause"), nothing_left_behind():
        process = subprocess.Popen(SLEEPER)

    assert process.wait(timeout=10) != 0


def test_a_thread_left_behind_is_reported():
    leave = threading.Event()
    thread = threading.Thread(target=leave.wait, name="straggler")

    with pytest.raises(AssertionError, match="straggler"), nothing_left_behind():
        thread.start()

    leave.set()
    thread.join()


def test_what_was_there_before_or_ends_in_time_is_no_leak():
    with subprocess.Popen(SLEEPER) as before:
        with nothing_left_behind(), subprocess.Popen(SLEEPER) as inside:
            inside.kill()
        before.kill()


def test_daemon_threads_may_stay():
    leave = threading.Event()

    with nothing_left_behind():
        threading.Thread(target=leave.wait, daemon=True).start()

    leave.set()


def by_fork() -> None:
    if os.fork() == 0:
        signal.pause()
        os._exit(0)


def by_multiprocessing() -> None:
    multiprocessing.get_context("spawn").Process(target=signal.pause).start()


@pytest.mark.parametrize("begin", [by_fork, by_multiprocessing])
def test_a_process_that_was_begun_in_another_way_is_found_and_ended_too(begin):
    with pytest.raises(AssertionError, match="processes left behind"), nothing_left_behind():
        begin()

    with nothing_left_behind():
        pass
