"""`note` and `activity`: who did what, the newest first, for a time."""

import pytest

from celeriac.steering import ACTIVITY_KEPT, MOST_ACTIVITY, activity_of, deed_of


def deeds(clock, *verbs):
    return [deed_of("ana", verb, "queue mail", 3, clock.now()) for verb in verbs]


def verbs(found):
    return [activity_of(deed).verb for deed in found]


def test_what_was_done_is_read_back_the_newest_first(broker, clock):
    broker.note(deeds(clock, "pause", "purge"), clock.now())
    clock.advance(5)
    broker.note(deeds(clock, "resume"), clock.now())

    found = broker.activity()

    assert verbs(found) == ["resume", "purge", "pause"]
    newest = activity_of(found[0])
    assert (newest.who, newest.target, newest.count) == ("ana", "queue mail", 3)
    assert newest.at == pytest.approx(clock.now(), abs=0.5)
    numbers = [deed.number for deed in found]
    assert numbers == sorted(set(numbers), reverse=True)


def test_a_reader_goes_on_where_he_was(broker, clock):
    broker.note(deeds(clock, *"abcdefg"), clock.now())

    first = broker.activity(count=3)
    second = broker.activity(first[-1].number, count=3)
    third = broker.activity(second[-1].number, count=3)

    assert [verbs(page) for page in (first, second, third)] == [["g", "f", "e"], ["d", "c", "b"], ["a"]]
    assert broker.activity(third[-1].number) == []


def test_nothing_was_done(broker):
    assert broker.activity() == []


def test_what_is_too_old_goes_when_something_new_is_noted(broker, clock):
    broker.note(deeds(clock, "old"), clock.now())
    clock.advance(ACTIVITY_KEPT - 60)
    broker.note(deeds(clock, "middle"), clock.now())
    clock.advance(120)

    broker.note(deeds(clock, "new"), clock.now())

    assert verbs(broker.activity()) == ["new", "middle"]


def test_of_too_many_the_newest_stay_and_numbers_go_on(broker, clock):
    broker.note(deeds(clock, "first"), clock.now())
    for _ in range(10):
        broker.note(deeds(clock, *["many"] * (MOST_ACTIVITY // 10)), clock.now())

    found = broker.activity(count=MOST_ACTIVITY + 10)

    assert len(found) == MOST_ACTIVITY
    assert (found[0].number, found[-1].number) == (MOST_ACTIVITY + 1, 2)
