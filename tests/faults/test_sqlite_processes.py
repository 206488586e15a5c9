"""Many processes and threads on one file, forks, and processes that are killed in the middle of it all."""

import json
import multiprocessing
import os
import select
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.message import Message
from celeriac.outcome import Settlement
from celeriac.states import State, Verdict
from tests.waiting import wait_until

NOW = 1_700_000_000.0

DRAIN = """
import json, sys
from celeriac.broker import WorkerInfo
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.outcome import Settlement
from celeriac.states import Verdict

broker = SqliteBroker(sys.argv[1], deadline=30.0)
name, now = sys.argv[2], float(sys.argv[3])
expected = [f"t{n}" for n in range(int(sys.argv[4]))]
broker.enlist(WorkerInfo(name, name, names=frozenset({"shop.add"}), lease=1e6), now)
trip, mine, finished = 0, [], []
while True:
    trip += 1
    claims = broker.exchange(name, trip=trip, finished=finished, want=7, now=now).claims
    mine += [task.id for task in claims]
    finished = [Settlement(task.id, task.fence, Verdict.SUCCEEDED, b"1") for task in claims]
    if not claims and all(record and record.state.final for record in broker.get(expected)):
        break
print(json.dumps(mine))
broker.close()
"""

SEND = """
import sys
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.message import Message

broker = SqliteBroker(sys.argv[1], deadline=30.0)
first, last, now = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
for number in range(first, last):
    broker.send([Message(f"t{number}", "shop.add")], now)
    print(number, flush=True)
broker.close()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shop.db"


@pytest.fixture
def broker(path):
    broker = SqliteBroker(f"sqlite:///{path}", deadline=30.0)
    broker.open()
    yield broker
    broker.close()


@pytest.fixture
def start(path):
    started = []

    def start(script, *args):
        process = subprocess.Popen(
            [sys.executable, "-c", script, f"sqlite:///{path}", *map(str, args)],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def is_sound(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("pragma integrity_check").fetchall() == [("ok",)]


# --- all at once ----------------------------------------------------------------------------------


def test_what_several_processes_send_is_run_once_by_several_others(path, broker, start):
    drains = [start(DRAIN, f"w{n}", NOW, 600) for n in range(2)]
    senders = [start(SEND, first, first + 300, NOW) for first in (0, 300)]

    for sender in senders:
        assert len(sender.stdout.read().split()) == 300
    ran = [json.loads(drain.stdout.read()) for drain in drains]

    assert sorted(ran[0] + ran[1]) == sorted(f"t{n}" for n in range(600))
    states = {record.state for record in broker.get([f"t{n}" for n in range(600)])}
    assert states == {State.SUCCEEDED}


def test_many_threads_send_and_claim_through_one_object(broker):
    threads = 8
    for n in range(threads):
        broker.enlist(WorkerInfo(f"w{n}", "w", names=frozenset({"shop.add"})), NOW)
    ran, lock = [], threading.Lock()

    def work(n):
        for k in range(50):
            broker.send([Message(f"t{n}-{k}", "shop.add")], NOW)
            claims = broker.exchange(f"w{n}", trip=k + 1, want=3, now=NOW).claims
            with lock:
                ran.extend(task.id for task in claims)

    together = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join(60)

    rest = [task.id for task in broker.exchange("w0", trip=99, want=999, now=NOW).claims]
    assert sorted(ran + rest) == sorted(f"t{n}-{k}" for n in range(threads) for k in range(50))


@pytest.mark.serial
def test_a_send_beside_a_worker_that_drains_at_full_speed_waits_only_moments(path, broker, start):
    for n in range(60):
        broker.send([Message(f"old{n}-{k}", "shop.add") for k in range(1000)], NOW)
    drain = start(DRAIN, "w0", NOW, 1)
    wait_until(lambda: broker.workers(NOW), what="the worker")

    waits = []
    for n in range(200):
        began = time.perf_counter()
        broker.send([Message(f"t{n}", "shop.add")], NOW)
        waits.append(time.perf_counter() - began)
    drain.kill()

    assert sorted(waits)[-10] < 0.05  # SQLite's own waiting would take 0.1 s for one in ten


class Interrupt(Exception):
    """As a soft time limit is raised amid a task."""


def test_a_thread_that_is_interrupted_anywhere_in_a_verb_blocks_nobody(broker, monkeypatch):
    """A signal asks whether it may interrupt, unlike an exception that another thread sets."""
    within, sent, interrupted = False, [], 0

    def interrupt(*_):
        nonlocal within, interrupted
        if within:
            within, interrupted = False, interrupted + 1
            raise Interrupt

    monkeypatch.setattr("sys.unraisablehook", lambda _: None)  # one that hits a finalizer is dropped there
    before = signal.signal(signal.SIGUSR1, interrupt)
    ended = threading.Event()

    def keep_interrupting(thread):
        while not ended.wait(0.0005):
            signal.pthread_kill(thread, signal.SIGUSR1)

    interrupter = threading.Thread(target=keep_interrupting, args=[threading.get_ident()])
    interrupter.start()
    try:
        for n in range(1_000_000):
            try:
                within = True
                broker.send([Message(f"t{n}", "shop.add")], NOW)
                within = False
                sent.append(f"t{n}")
            except Interrupt:
                if len(sent) > 300 and interrupted > 100:
                    break
    finally:
        ended.set()
        interrupter.join()
        signal.signal(signal.SIGUSR1, before)

    assert broker.send([Message("after", "shop.add")], NOW) == 1
    assert None not in broker.get(sent)
    assert broker._store._writing.acquire(timeout=0)
    broker._store._writing.release()


def test_the_write_ahead_log_is_cut_when_it_has_grown_long(path, broker, monkeypatch):
    monkeypatch.setattr("celeriac.brokers.sqlite.store._ENDLESS_LOG", 1_000_000)
    log = path.with_name("shop.db-wal")
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from tasks").fetchone()  # as long as it reads, nobody can
        for n in range(40):
            broker.send([Message(f"t{n}", "shop.add", payload=b"x" * 100_000)], NOW)
        assert log.stat().st_size > 3_000_000
        reader.execute("commit")

    numbers = iter(range(100, 100_000))
    wait_until(
        lambda: broker.send([Message(f"t{next(numbers)}", "x")], NOW) and log.stat().st_size < 1_000_000,
        what="a short log",
    )

    assert None not in broker.get([f"t{n}" for n in range(40)])


# --- killed ---------------------------------------------------------------------------------------


def test_what_a_killed_process_was_told_is_accepted_is_there(path, broker, start):
    sender = start(SEND, 0, 100_000, NOW)
    told = [int(sender.stdout.readline()) for _ in range(200)]

    sender.send_signal(signal.SIGKILL)
    told += [int(line) for line in sender.stdout.read().split()]

    assert None not in broker.get([f"t{number}" for number in told])
    assert is_sound(path)


def test_a_worker_that_is_killed_loses_nothing(path, broker, start):
    broker.send([Message(f"t{n}", "shop.add") for n in range(5000)], NOW)
    drain = start(DRAIN, "w0", NOW, 5000)
    wait_until(lambda: broker.get(["t500"])[0].state.final, what="half way")

    drain.kill()
    drain.wait()
    broker.retire(["w0"], NOW)

    [queue] = broker.queues()
    assert queue.running == 0
    records = broker.get([f"t{n}" for n in range(5000)])
    assert {record.state for record in records} == {State.QUEUED, State.SUCCEEDED}
    assert sum(record.crashes for record in records) <= 7
    assert is_sound(path)


# --- forks ----------------------------------------------------------------------------------------


def in_a_fork(work):
    """Return what *work* returns in a forked child."""
    ours, theirs = multiprocessing.Pipe()
    child = os.fork()
    if child == 0:
        try:
            theirs.send(work())
        finally:
            os._exit(0)
    theirs.close()
    assert ours.poll(30), "the child said nothing"
    answer = ours.recv()
    os.waitpid(child, 0)
    return answer


def test_a_forked_child_and_its_parent_both_go_on(path, broker):
    broker.send([Message("before", "shop.add")], NOW)

    assert in_a_fork(lambda: broker.send([Message("child", "shop.add")], NOW)) == 1
    assert broker.send([Message("parent", "shop.add")], NOW) == 1

    assert None not in broker.get(["before", "child", "parent"])
    assert is_sound(path)


def test_a_child_that_was_forked_while_another_thread_wrote_is_not_stuck(broker):
    inside, go_on = threading.Event(), threading.Event()

    def hold(transaction):
        inside.set()
        go_on.wait(30)

    writer = threading.Thread(target=lambda: broker._store.write(hold))
    writer.start()
    inside.wait(30)

    assert in_a_fork(lambda: broker.get(["x"])) == [None]

    go_on.set()
    writer.join(30)
    assert in_a_fork(lambda: broker.send([Message("child", "shop.add")], NOW)) == 1


def test_a_child_does_not_keep_its_dead_parent_alive(path, broker):
    script = f"""
import os, sys
from celeriac.broker import WorkerInfo
from celeriac.brokers.sqlite import SqliteBroker
broker = SqliteBroker(sys.argv[1])
broker.enlist(WorkerInfo("parent", "parent", lease=1e6), {NOW})
broker.hold_alive("parent")
if os.fork() == 0:
    print(os.getpid(), flush=True)
    sys.stdin.read()
    os._exit(0)
os.wait()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, f"sqlite:///{path}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert int(parent.stdout.readline())
        assert broker.locally_dead() == []

        parent.kill()
        parent.wait(10)

        wait_until(lambda: broker.locally_dead() == ["parent"], what="the proof of death")


def test_an_open_listener_and_bell_of_the_parent_survive_a_childs_end(broker):
    broker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
    broker.hold_alive("w")
    bell = broker.bell("w")
    broker.exchange("w", trip=1, want=1, now=NOW)

    in_a_fork(lambda: broker.get([]))
    broker.send([Message("a", "shop.add")], NOW)

    assert select.select([bell], [], [], 5)[0]
    assert broker.locally_dead() == []
    bell.close()


# --- between processes ----------------------------------------------------------------------------


def test_news_from_another_process_wake_a_listener(broker, start):
    broker.send([Message("t0", "shop.add")], NOW)
    listener = broker.listener()
    listener.watch(["t0"])

    start(DRAIN, "w0", NOW, 1)
    heard = set()
    wait_until(lambda: heard.update(listener.wait(1)) or broker.get(["t0"])[0].state.final, what="the end")

    assert heard == {"t0"}
    listener.close()


def test_a_listener_that_is_never_rung_finds_the_news_all_the_same(path, broker):
    broker.send([Message("a", "shop.add")], NOW)
    listener = broker.listener()
    listener.watch(["a"])
    listener._ear.close()
    listener._ear = None

    with closing(SqliteBroker(f"sqlite:///{path}")) as other:
        other.cancel(["a"], NOW)

    assert listener.wait(5) == {"a"}
    listener.close()


def test_settlements_from_two_lives_of_one_worker_never_both_count(path, broker):
    broker.send([Message("a", "shop.add")], NOW)
    broker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
    [first] = broker.exchange("w", trip=1, want=1, now=NOW).claims
    broker.exchange("w", trip=2, finished=[Settlement("a", first.fence, Verdict.RELEASE)], now=NOW)
    with closing(SqliteBroker(f"sqlite:///{path}")) as other:
        [second] = other.exchange("w", trip=3, want=1, now=NOW).claims

        late = broker.exchange("w", trip=4, finished=[Settlement("a", 1, Verdict.SUCCEEDED)], now=NOW)
        good = other.exchange("w", trip=5, finished=[Settlement("a", 2, Verdict.FAILED)], now=NOW)

    assert (first.fence, second.fence) == (1, 2)
    assert (late.refused, good.refused) == (["a"], [])
    assert broker.get(["a"])[0].state is State.FAILED
