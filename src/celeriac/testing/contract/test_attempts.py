"""`Record.attempts`: how each run ended that was not the last one."""

from celeriac.attempts import LONGEST, MOST, Attempt
from celeriac.states import State, Verdict
from celeriac.testing.contract.given import (
    EVERY_BYTE,
    a_message,
    crashed,
    failed,
    given_held,
    record_of,
    release,
    retry,
    succeeded,
)


def of(broker, task):
    return record_of(broker, task).attempts


def again(broker, courier, task, settlement):
    """Settle a run, and claim the next one."""
    assert courier.settles(settlement)
    [following] = courier.claim()
    assert following.id == task.id
    return following


def test_a_task_that_runs_for_the_first_time_has_none(broker, clock):
    courier, task = given_held(broker, clock)
    assert of(broker, task) == ()

    courier.settles(succeeded(task))

    assert of(broker, task) == ()


def test_a_retry_keeps_who_ran_it_from_when_to_when_and_its_error(broker, clock):
    began = clock.now()
    courier, task = given_held(broker, clock)
    clock.advance(1.25)

    courier.settles(retry(task, clock.now() + 60.0, EVERY_BYTE))

    kept = Attempt(task.fence, began, began + 1.25, courier.id, Verdict.RETRY, EVERY_BYTE)
    assert of(broker, task) == (kept,)


def test_each_end_of_a_run_is_kept_in_order_and_stays_with_the_record(broker, clock):
    courier, first = given_held(broker, clock)
    second = again(broker, courier, first, retry(first, 0.0, b'"slow"'))
    third = again(broker, courier, second, crashed(second, b'"killed"'))
    courier.settles(succeeded(third))

    told = [(each.fence, each.verdict, each.error) for each in of(broker, first)]
    assert told == [
        (first.fence, Verdict.RETRY, b'"slow"'),
        (second.fence, Verdict.CRASHED, b'"killed"'),
    ]


def test_a_run_whose_worker_was_retired_is_kept_with_that_worker(broker, clock, enlist):
    courier, _ = given_held(broker, clock)
    clock.advance(3.0)

    broker.retire([courier.id], clock.now(), b'"gone"')
    [following] = enlist("worker-b").claim()

    [kept] = of(broker, following)
    assert (kept.worker, kept.verdict, kept.error) == (courier.id, Verdict.CRASHED, b'"gone"')
    assert kept.ended - kept.started == 3.0


def test_a_crash_that_is_the_last_one_is_told_by_the_record_itself(broker, clock):
    courier, task = given_held(broker, clock, crash_limit=0)

    courier.settles(crashed(task, b'"killed"'))

    record = record_of(broker, task)
    assert (record.state, record.error, record.attempts) == (State.FAILED, b'"killed"', ())


def test_what_was_given_back_is_no_attempt(broker, clock):
    courier, task = given_held(broker, clock)

    following = again(broker, courier, task, release(task))

    assert following.fence == task.fence + 1
    assert of(broker, task) == ()


def test_a_requeued_task_keeps_the_run_that_failed_and_those_before(broker, clock):
    began = clock.now()
    courier, task = given_held(broker, clock)
    following = again(broker, courier, task, retry(task, 0.0))
    clock.advance(2.0)
    courier.settles(failed(following, b'"broken"'))
    clock.advance(100.0)

    broker.requeue([task.id], clock.now())

    _, last = of(broker, task)
    assert last == Attempt(following.fence, began, began + 2.0, courier.id, Verdict.FAILED, b'"broken"')


def test_of_many_the_latest_are_kept(broker, clock):
    courier, task = given_held(broker, clock)
    for _ in range(MOST + 5):
        task = again(broker, courier, task, retry(task, 0.0))

    assert [each.fence for each in of(broker, task)] == list(range(task.fence - MOST, task.fence))


def test_an_error_that_is_very_long_is_left_out(broker, clock):
    long = b"x" * (LONGEST // 2)  # a store that signs makes it longer
    courier, task = given_held(broker, clock)
    task = again(broker, courier, task, retry(task, 0.0, long))
    task = again(broker, courier, task, retry(task, 0.0, b"x" * (LONGEST + 1)))

    assert [each.error for each in of(broker, task)] == [long, b""]


def test_a_task_that_is_sent_again_under_a_forgotten_id_has_none(broker, clock):
    courier, task = given_held(broker, clock)
    task = again(broker, courier, task, retry(task, 0.0))
    courier.settles(succeeded(task))
    broker.forget([task.id])

    broker.send([a_message(id=task.id)], clock.now())

    assert of(broker, task) == ()
