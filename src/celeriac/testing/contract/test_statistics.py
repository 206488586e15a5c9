"""`count`, `statistics`, `counted`: what was counted adds up, once, and gets coarser as it gets older."""

import threading

import pytest

from celeriac.tally import (
    DAY,
    EVER,
    FAILED,
    HOUR,
    KEPT,
    MINUTE,
    NAMES,
    OTHER,
    QUEUED,
    RAN,
    RUN,
    SUCCEEDED,
    WAIT,
    Tally,
    begin,
)


def a_tally(clock, numbers=None, *, ago=0.0, queue="default", name="shop.add"):
    return Tally(begin(clock.now() - ago), queue, name, {SUCCEEDED: 1} if numbers is None else numbers)


def all_of(broker, clock):
    return broker.statistics(0.0, clock.now() + DAY)


def numbers(tallies):
    return [(tally.queue, tally.name, tally.numbers) for tally in tallies]


def tend(broker, clock):
    while broker.tend(clock.now()).more:
        pass


def test_what_was_counted_comes_back_by_minute_queue_and_name(broker, clock):
    counted = [
        a_tally(clock, {SUCCEEDED: 3, RAN: 10**15, WAIT: 1, RUN + 27: 2}),
        a_tally(clock, {FAILED: 1}, ago=MINUTE),
        a_tally(clock, {QUEUED: 7}, queue="mail", name=""),
        a_tally(clock, {SUCCEEDED: 1}, queue="", name=""),
    ]

    assert broker.count("teller", 1, counted, clock.now())

    order = sorted(counted, key=lambda tally: (tally.moment, tally.queue, tally.name))
    assert all_of(broker, clock) == order


def test_counts_add_up_and_of_levels_the_highest_counts(broker, other, clock):
    broker.count("one", 1, [a_tally(clock, {SUCCEEDED: 1, QUEUED: 5})], clock.now())
    other.count("two", 1, [a_tally(clock, {SUCCEEDED: 2, QUEUED: 3, FAILED: 1})], clock.now())

    assert numbers(all_of(broker, clock)) == [
        ("default", "shop.add", {SUCCEEDED: 3, QUEUED: 5, FAILED: 1}),
    ]


def test_a_repeated_call_counts_nothing(broker, other, clock):
    assert broker.count("teller", 1, [a_tally(clock)], clock.now())
    assert broker.count("teller", 2, [a_tally(clock)], clock.now())

    assert not other.count("teller", 2, [a_tally(clock)], clock.now())
    assert not broker.count("teller", 1, [a_tally(clock)], clock.now())

    [tally] = all_of(broker, clock)
    assert tally.numbers == {SUCCEEDED: 2}
    assert broker.counted()[0].numbers == {SUCCEEDED: 2}


def test_nothing_is_known_of_a_store_in_which_nobody_counted(broker, clock):
    assert all_of(broker, clock) == []
    assert broker.counted() == []


def test_a_span_has_the_buckets_that_touch_it(broker, clock):
    start = begin(clock.now())
    moments = [start - 2 * MINUTE, start - MINUTE, start]
    broker.count("teller", 1, [Tally(each, "default", "a", {SUCCEEDED: 1}) for each in moments], clock.now())

    asked = broker.statistics(start - MINUTE + 5, start)

    assert [tally.moment for tally in asked] == [start - MINUTE]
    assert [tally.moment for tally in broker.statistics(start - MINUTE - 5, start + 5)] == moments


def test_old_minutes_become_hours_and_old_hours_days_and_old_days_end(broker, clock):
    broker.count("teller", 1, [a_tally(clock), a_tally(clock, ago=MINUTE)], clock.now())
    first = clock.now()

    clock.advance(KEPT[MINUTE] + 2 * MINUTE)
    tend(broker, clock)
    hours = all_of(broker, clock)
    clock.advance(KEPT[HOUR] + HOUR)
    tend(broker, clock)
    days = all_of(broker, clock)
    clock.advance(KEPT[DAY] + DAY)
    tend(broker, clock)

    assert [(tally.step, tally.moment) for tally in hours] == [(HOUR, begin(first, HOUR))]
    assert [(tally.step, tally.moment) for tally in days] == [(DAY, begin(first, DAY))]
    assert [tally.numbers for tally in [*hours, *days]] == [{SUCCEEDED: 2}, {SUCCEEDED: 2}]
    assert all_of(broker, clock) == []
    assert [(tally.step, tally.moment, tally.numbers) for tally in broker.counted()] == [
        (EVER, 0, {SUCCEEDED: 2})
    ]


def test_a_late_count_of_an_old_minute_ends_in_the_same_hour(broker, clock):
    old = begin(clock.now() - KEPT[MINUTE] - DAY, HOUR)
    broker.count("teller", 1, [Tally(old, "default", "a", {SUCCEEDED: 1})], clock.now())
    tend(broker, clock)

    broker.count("teller", 2, [Tally(old + 2 * MINUTE, "default", "a", {SUCCEEDED: 1})], clock.now())
    tend(broker, clock)

    [tally] = all_of(broker, clock)
    assert (tally.step, tally.moment, tally.numbers) == (HOUR, old, {SUCCEEDED: 2})


def test_one_step_of_tending_moves_one_bucket(broker, clock):
    old = begin(clock.now() - KEPT[MINUTE] - DAY, HOUR)
    moments = [old, old + MINUTE]
    broker.count("teller", 1, [Tally(each, "default", "a", {SUCCEEDED: 1}) for each in moments], clock.now())

    done = broker.tend(clock.now())

    assert done.more
    assert sorted((tally.step, tally.moment) for tally in all_of(broker, clock)) == [
        (MINUTE, old + MINUTE),
        (HOUR, old),
    ]


def test_many_who_tend_at_once_move_each_bucket_once(store, broker, clock):
    old = begin(clock.now() - KEPT[MINUTE] - DAY, HOUR)
    minutes = [Tally(old + each * MINUTE, "default", "a", {SUCCEEDED: 1}) for each in range(60)]
    broker.count("teller", 1, minutes, clock.now())
    tenders = [store.connect() for _ in range(4)]

    threads = [threading.Thread(target=tend, args=(each, clock)) for each in tenders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [tally] = all_of(broker, clock)
    assert (tally.step, tally.moment, tally.numbers) == (HOUR, old, {SUCCEEDED: 60})


def test_beyond_five_hundred_names_they_are_counted_together(broker, clock):
    names = [f"task.{number:04}" for number in range(NAMES + 20)]

    broker.count("teller", 1, [a_tally(clock, name=name) for name in names], clock.now())
    broker.count("teller", 2, [a_tally(clock, name=names[0]), a_tally(clock, name=names[-1])], clock.now())

    found = {tally.name: tally.numbers[SUCCEEDED] for tally in all_of(broker, clock)}
    assert len(found) == NAMES + 1
    assert found[names[0]] == 2
    assert found[OTHER] == 21
    assert {tally.name: tally.numbers[SUCCEEDED] for tally in broker.counted()} == found


def test_however_many_queues_there_are_a_bucket_has_a_limit(broker, clock):
    tallies = [a_tally(clock, queue=f"tenant.{number:04}") for number in range(2 * NAMES + 50)]
    levels = [a_tally(clock, {QUEUED: 3}, queue="one.more", name="")]

    broker.count("teller", 1, [*tallies, *levels], clock.now())

    found = all_of(broker, clock)
    assert len(found) == 2 * NAMES + 2
    assert (OTHER, OTHER, {SUCCEEDED: 50}) in numbers(found)
    assert (OTHER, "", {QUEUED: 3}) in numbers(found)


@pytest.mark.parametrize("step", [MINUTE, HOUR])
def test_the_limit_holds_for_what_is_put_together_too(broker, clock, step):
    old = begin(clock.now() - KEPT[step] - 3 * DAY, DAY)
    for half in range(2):
        moment = old + half * step
        names = [f"task.{half}.{number:04}" for number in range(NAMES - 100)]
        tallies = [Tally(moment, "default", name, {SUCCEEDED: 1}) for name in names]
        broker.count("teller", half + 1, tallies, clock.now())

    tend(broker, clock)

    found = all_of(broker, clock)
    assert len(found) == NAMES + 1
    assert sum(tally.numbers[SUCCEEDED] for tally in found) == 2 * (NAMES - 100)


def test_the_number_of_a_teller_is_known_for_a_day(broker, clock):
    broker.count("teller", 7, [a_tally(clock)], clock.now())
    clock.advance(DAY - 10)
    tend(broker, clock)

    assert not broker.count("teller", 7, [a_tally(clock)], clock.now())
