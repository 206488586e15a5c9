"""The dead letter in Python: what has failed is found, looked at, run again, and dropped."""

from datetime import timedelta

import pytest

from celeriac import Celeriac, chain
from celeriac.clock import as_datetime
from celeriac.dead import Acted
from celeriac.errors import DecodeError, InvalidMessage
from celeriac.message import Message


class Shop:
    """Tasks that fail until they are mended."""

    def __init__(self) -> None:
        self.app = Celeriac("shop", set_as_current=False)
        self.broken = True

        @self.app.task(name="shop.charge")
        def charge(number: int) -> int:
            if self.broken:
                raise ValueError(f"no order {number}")
            return number

        @self.app.task(name="mail.send", queue="mail")
        def mail(number: int) -> None:
            if self.broken:
                raise ConnectionError(number)

        @self.app.task(name="shop.add")
        def add(x: int, y: int) -> int:
            return x + y

        self.charge, self.mail, self.add = charge, mail, add


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def t(shop):
    with shop.app.test() as stage:
        yield stage


@pytest.fixture
def dead(shop, t):
    return shop.app.dead


def fail(shop, t, count=1, call=None):
    """Let calls fail, a second between them; return their results, the last first."""
    results = []
    for number in range(count):
        results.append((call or shop.charge.delay)(number))
        t.run_until_idle()
        t.advance(seconds=1)
    return results[::-1]


def ids(things):
    return [thing.id for thing in things]


# --- looking ------------------------------------------------------------------------------------


def test_nothing_is_dead_at_first(dead):
    assert dead.list() == []
    assert list(dead) == []


def test_a_failed_task_shows_what_it_was_called_with_and_what_it_failed_of(shop, t, dead):
    [result] = fail(shop, t)

    [found] = dead.list()

    assert (found.id, found.task, found.queue) == (result.id, "shop.charge", "default")
    assert (found.args, found.kwargs) == ([0], {})
    assert (found.error_type, found.error) == ("builtins.ValueError", "no order 0")
    assert "raise ValueError" in found.traceback
    assert found.failed == result.date_done
    assert (found.origin, found.can_be_requeued) == (None, True)
    assert dead.get(result.id) == found


def test_one_that_has_not_failed_is_not_got(shop, t, dead):
    result = shop.add.delay(1, 2)
    t.run_until_idle()

    assert dead.get(result.id) is None
    assert dead.get("nobody") is None


def test_arguments_that_cannot_be_read_do_not_hide_the_task(shop, t, dead):
    shop.app.broker.send([Message("broken", "shop.charge", payload=b"nonsense")], t.clock.now())
    t.run_until_idle()

    [found] = dead.list()

    assert found.id == "broken"
    with pytest.raises(DecodeError):
        _ = found.args


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ({}, 5),
        ({"task": "shop.charge"}, 3),
        ({"task": "shop.*"}, 3),
        ({"task": "*"}, 5),
        ({"queue": "mail"}, 2),
        ({"queue": ["mail", "default"]}, 5),
        ({"error": "ValueError"}, 3),
        ({"error": "builtins.ConnectionError"}, 2),
        ({"error": "Error"}, 0),
        ({"task": "shop.charge", "queue": "mail"}, 0),
        ({"limit": 2}, 2),
    ],
)
def test_a_filter_chooses_by_task_queue_and_error(shop, t, dead, which, expected):
    fail(shop, t, 3)
    fail(shop, t, 2, shop.mail.delay)

    assert len(dead.list(**which)) == expected


def test_a_filter_chooses_by_time(shop, t, dead):
    newest, _, oldest = fail(shop, t, 3)

    assert ids(dead.list(since=newest.date_done)) == [newest.id]
    assert ids(dead.list(until=newest.date_done - timedelta(seconds=1.5))) == [oldest.id]
    assert ids(dead.list(since=0.0, until=newest.date_done)) == ids(dead.list())[1:]


def test_more_than_a_page_is_found(shop, t, dead):
    shop.charge.delay_many([(number,) for number in range(350)])
    t.run_until_idle()

    assert len({found.id for found in dead}) == 350


# --- running again ------------------------------------------------------------------------------


def test_a_result_is_requeued_and_then_succeeds(shop, t):
    [result] = fail(shop, t)
    assert result.failed()
    shop.broken = False

    assert result.requeue()

    assert result.get() == 0
    assert not result.requeue()


def test_a_result_of_apply_is_not_requeued(shop):
    assert not shop.charge.apply((1,)).requeue()


def test_one_several_or_those_that_were_found_are_requeued(shop, t, dead):
    one, two, three, four = fail(shop, t, 4)
    shop.broken = False

    assert dead.requeue(one.id) == Acted(1, 0, (one.id,))
    assert dead.requeue([two.id, one.id, "nobody"]) == Acted(1, 2, (two.id,), (one.id, "nobody"))
    assert dead.requeue(dead.list()) == Acted(2, 0, (three.id, four.id))

    assert [each.get() for each in (one, two, three, four)] == [3, 2, 1, 0]


def test_a_filter_says_which_are_requeued_and_a_dry_run_does_nothing(shop, t, dead):
    charges = fail(shop, t, 250)
    mails = fail(shop, t, 2, shop.mail.delay)
    shop.broken = False

    would = dead.requeue(task="shop.charge", dry_run=True)
    assert len(dead.list(limit=1_000)) == 252
    assert dead.requeue(task="shop.charge") == would
    assert (would.done, would.left, would.ids) == (250, 0, tuple(ids(charges)))

    t.run_until_idle()
    assert ids(dead.list()) == ids(mails)


def test_what_fails_again_at_once_is_not_requeued_for_ever(shop, t, dead):
    fail(shop, t, 150)

    assert dead.requeue(all=True).done == 150


def test_those_that_failed_because_of_another_are_shown_with_it_and_left(shop, t, dead):
    last = chain(shop.charge.s(1), shop.add.s(2)).delay()
    t.run_until_idle()

    found = {each.id: each for each in dead}
    assert found[last.id].origin == last.parent.id
    assert not found[last.id].can_be_requeued
    expected = Acted(1, 1, (last.parent.id,), (last.id,))
    assert dead.requeue(all=True, dry_run=True) == expected
    assert dead.requeue(all=True) == expected


def test_a_later_step_of_a_chain_is_given_its_input_again(shop, t, dead):
    last = chain(shop.add.s(1, 2), shop.charge.s()).delay()
    t.run_until_idle()
    t.advance(hours=24 * 20)
    shop.broken = False

    assert last.requeue()

    assert last.get() == 3


@pytest.mark.parametrize(
    ("args", "which"), [((), {}), (("one",), {"task": "x"}), ((), {"all": True, "task": "x"})]
)
def test_it_must_be_said_which_and_in_one_way(dead, args, which):
    with pytest.raises(InvalidMessage, match="say which"):
        dead.requeue(*args, **which)
    with pytest.raises(InvalidMessage, match="say which"):
        dead.drop(*args, **which)


# --- dropping -----------------------------------------------------------------------------------


def test_some_are_dropped_and_others_stay(shop, t, dead):
    one, two = fail(shop, t, 2)
    [mail] = fail(shop, t, 1, shop.mail.delay)

    assert dead.drop(one.id, dry_run=True) == dead.drop(one.id) == Acted(1, 0, (one.id,))
    assert dead.drop(queue="mail") == Acted(1, 0, (mail.id,))

    assert ids(dead) == [two.id]
    assert shop.app.AsyncResult(one.id).state == "UNKNOWN"


def test_what_has_not_failed_is_not_dropped(shop, t, dead):
    result = shop.add.delay(1, 2)
    t.run_until_idle()

    assert dead.drop(result.id) == Acted(0, 1, (), (result.id,))
    assert result.get() == 3


def test_one_whose_failure_somebody_still_handles_is_left(shop, t, dead):
    errback = shop.add.si(1, 2).set(countdown=60)
    failed = shop.charge.apply_async((1,), link_error=errback)
    t.run_until_idle()

    assert dead.drop(failed.id) == Acted(0, 1, (), (failed.id,))


def test_how_long_they_are_kept_is_a_setting(shop):
    shop.app.conf.dead_letter_expires = timedelta(hours=48)
    with shop.app.test() as t:
        [failed] = fail(shop, t)
        good = shop.add.delay(1, 2)
        t.run_until_idle()

        t.advance(hours=47)
        assert [shop.app.AsyncResult(each.id).state for each in (failed, good)] == ["FAILURE", "UNKNOWN"]
        t.advance(hours=2)
        assert shop.app.dead.list() == []


def test_times_without_a_zone_are_in_the_applications(shop, t, dead):
    shop.app.conf.timezone = "Europe/Berlin"
    [result] = fail(shop, t)
    moment = as_datetime(result.date_done.timestamp() + 60).replace(tzinfo=None)

    assert dead.list(until=moment) == []
    assert len(dead.list(since=moment - timedelta(hours=1))) == 1
