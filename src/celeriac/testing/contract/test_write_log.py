"""`write_log` and `read_log`: lines of who holds the task, a ring for each attempt, gone with the record."""

import pytest

from celeriac.sealing import SealedBroker
from celeriac.steering import LINE_COSTS, LOG_ATTEMPTS, LOG_RING, Line, body_of, line_of
from celeriac.testing.contract.given import (
    EVERY_BYTE,
    Courier,
    a_message,
    crashed,
    given_finished,
    given_held,
    release,
    retry,
    succeeded,
)


def said(clock, task, *bodies, level=20):
    return [Line(task.id, task.fence, clock.now(), level, body) for body in bodies]


def read(broker, task, after=0, **rules):
    return [entry.body for entry in broker.read_log(task.id, after, **rules)]


def test_lines_are_kept_in_their_order_with_all_they_say(broker, clock):
    worker, task = given_held(broker, clock)
    lines = [*said(clock, task, b"one"), *said(clock, task, EVERY_BYTE, level=40)]

    refused = broker.write_log(worker.id, lines, clock.now())

    assert refused == []
    first, second = broker.read_log(task.id)
    assert (first.number, first.attempt, first.level, first.body) == (1, task.fence, 20, b"one")
    assert (second.number, second.attempt, second.level, second.body) == (2, task.fence, 40, EVERY_BYTE)
    assert first.time == pytest.approx(clock.now(), abs=0.5)


def test_a_reader_goes_on_where_he_was(broker, clock):
    worker, task = given_held(broker, clock)
    broker.write_log(worker.id, said(clock, task, *(b"%d" % number for number in range(5))), clock.now())

    first = broker.read_log(task.id, count=2)
    rest = broker.read_log(task.id, first[-1].number, count=100)
    broker.write_log(worker.id, said(clock, task, b"5"), clock.now())

    assert [entry.body for entry in [*first, *rest]] == [b"0", b"1", b"2", b"3", b"4"]
    assert read(broker, task, rest[-1].number) == [b"5"]


def test_lines_of_many_tasks_go_in_one_write(broker, clock):
    worker, first = given_held(broker, clock)
    broker.send([a_message()], clock.now())
    [second] = worker.claim()
    ours, theirs = said(clock, first, b"a", b"b"), said(clock, second, b"c", b"d")
    mixed = [ours[0], theirs[0], ours[1], theirs[1]]

    broker.write_log(worker.id, mixed, clock.now())

    assert (read(broker, first), read(broker, second)) == ([b"a", b"b"], [b"c", b"d"])


def test_nobody_but_the_holder_writes(broker, clock, enlist):
    worker, task = given_held(broker, clock)
    done = given_finished(broker, clock, "worker-b")
    unknown = Line("no-such-task", 1, clock.now(), 20, b"x")
    late = Line(task.id, task.fence + 1, clock.now(), 20, b"x")

    refused = broker.write_log(worker.id, [*said(clock, done, b"x"), unknown, late], clock.now())
    others = broker.write_log("worker-b", said(clock, task, b"x"), clock.now())
    strangers = broker.write_log("never-enlisted", said(clock, task, b"x"), clock.now())

    assert refused == [done.id, "no-such-task", task.id]
    assert others == strangers == [task.id]
    assert read(broker, task) == read(broker, done) == []


def test_the_log_stays_when_the_task_has_ended(broker, clock):
    worker, task = given_held(broker, clock)
    broker.write_log(worker.id, said(clock, task, b"one"), clock.now())

    worker.settles(succeeded(task))

    assert read(broker, task) == [b"one"]


@pytest.mark.parametrize("put_back", [release, crashed, lambda task: retry(task, 0.0)])
def test_each_attempt_has_its_own_lines_and_numbers_go_on(broker, clock, put_back):
    worker, task = given_held(broker, clock)
    broker.write_log(worker.id, said(clock, task, b"first"), clock.now())
    worker.settles(put_back(task))
    [again] = worker.claim()

    broker.write_log(worker.id, said(clock, again, b"second"), clock.now())
    late = broker.write_log(worker.id, said(clock, task, b"late"), clock.now())

    assert late == [task.id]
    assert [(entry.number, entry.attempt, entry.body) for entry in broker.read_log(task.id)] == [
        (1, task.fence, b"first"),
        (2, again.fence, b"second"),
    ]


def test_of_one_attempt_the_newest_lines_are_kept(broker, clock):
    worker, task = given_held(broker, clock)
    size = 5_000
    for number in range(40):
        broker.write_log(worker.id, said(clock, task, b"%02d" % number * (size // 2)), clock.now())

    found = broker.read_log(task.id)

    sizes = sum(len(entry.body) + LINE_COSTS for entry in found)
    assert LOG_RING - 2 * size < sizes <= LOG_RING
    assert found[-1].number == 40
    numbers = [entry.number for entry in found]
    assert numbers == list(range(numbers[0], 41))
    assert read(broker, task, 39) == [b"39" * (size // 2)]


def test_many_lines_in_one_write_are_a_ring_too_and_an_endless_one_stays_alone(broker, clock):
    worker, task = given_held(broker, clock)

    broker.write_log(worker.id, said(clock, task, *[b"x" * 1000] * 200), clock.now())
    many = read(broker, task)
    broker.write_log(worker.id, said(clock, task, b"y" * (LOG_RING + 1)), clock.now())

    assert LOG_RING // 1200 < len(many) <= LOG_RING // (1000 + LINE_COSTS)
    assert read(broker, task) == [b"y" * (LOG_RING + 1)]


def test_a_full_ring_leaves_the_lines_of_other_attempts(broker, clock):
    worker, task = given_held(broker, clock)
    broker.write_log(worker.id, said(clock, task, b"first"), clock.now())
    worker.settles(release(task))
    [again] = worker.claim()

    broker.write_log(worker.id, said(clock, again, *[b"x" * 4000] * 30), clock.now())

    assert read(broker, task, count=1) == [b"first"]


def test_lines_of_the_latest_attempts_are_kept(broker, clock):
    worker, task = given_held(broker, clock)
    for _ in range(LOG_ATTEMPTS + 2):
        broker.write_log(worker.id, said(clock, task, b"attempt %d" % task.fence), clock.now())
        worker.settles(release(task))
        [task] = worker.claim()

    attempts = [entry.attempt for entry in broker.read_log(task.id)]

    assert attempts == list(range(3, LOG_ATTEMPTS + 3))


def test_a_forgotten_task_has_no_log_and_one_of_its_name_begins_anew(broker, clock):
    worker, task = given_held(broker, clock)
    broker.write_log(worker.id, said(clock, task, b"old"), clock.now())
    worker.settles(succeeded(task))

    broker.forget([task.id])

    assert read(broker, task) == []
    broker.send([a_message(id=task.id)], clock.now())
    [new] = worker.claim()
    broker.write_log(worker.id, said(clock, new, b"new"), clock.now())
    assert [(entry.number, entry.body) for entry in broker.read_log(task.id)] == [(1, b"new")]


def test_a_task_that_is_not_known_has_no_log(broker, clock):
    broker.send([a_message(id="quiet")], clock.now())

    assert broker.read_log("no-such-task") == broker.read_log("quiet") == []


def test_what_a_line_says_is_read_back_and_one_moved_to_another_task_is_not_trusted(broker, clock):
    worker, task = given_held(broker, clock)
    broker.send([a_message()], clock.now())
    [other] = worker.claim()
    hostile = "\x1b[2J\udc80 ☀\n"
    broker.write_log(worker.id, said(clock, task, body_of("shop.mail", hostile)), clock.now())

    [entry] = broker.read_log(task.id)

    line = line_of(entry)
    assert (line.logger, line.text) == ("shop.mail", "\x1b[2J\\udc80 ☀\n")
    if isinstance(broker, SealedBroker):
        [stored] = broker.inner.read_log(task.id)
        broker.inner.write_log(worker.id, said(clock, other, stored.body), clock.now())
        [moved] = broker.read_log(other.id)
        assert "cannot be trusted" in line_of(moved).text


def test_nothing_to_write_is_allowed(broker, clock, enlist):
    assert broker.write_log(enlist().id, [], clock.now()) == []


def test_two_workers_write_at_the_same_place_one_after_the_other(broker, other, clock):
    first, task = given_held(broker, clock)
    broker.write_log(first.id, said(clock, task, b"one"), clock.now())
    broker.retire([first.id], clock.now())
    second = Courier(other, clock, "worker-b")
    [again] = second.claim()

    other.write_log(second.id, said(clock, again, b"two"), clock.now())

    assert read(broker, task) == [b"one", b"two"]
