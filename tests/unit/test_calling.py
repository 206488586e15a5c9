import datetime as dt
from types import SimpleNamespace

import pytest

from celeriac.calling import CallOptions, arguments_of, as_call, envelope_of
from celeriac.config import Config
from celeriac.errors import ConfigurationError, InvalidArguments, InvalidMessage, InvalidName

NOW = 1_700_000_000.0


class Berlin:
    """A caller for whom a naive datetime is meant in UTC+1."""

    def aware(self, moment):
        if isinstance(moment, dt.datetime) and moment.tzinfo is None:
            return moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))
        return moment


@pytest.fixture
def conf() -> Config:
    return Config(environment={})


def a_task(**options):
    return SimpleNamespace(
        **{"name": "mail.send", "queue": None, "priority": None, "expires": None, "crash_limit": None}
        | options
    )


def called(conf, **options):
    return envelope_of(a_task(), conf).with_call(CallOptions(**options), NOW, Berlin(), "mail.send")


# --- where to ---------------------------------------------------------------------------------------------


def test_without_a_word_a_task_goes_where_the_application_says(conf):
    conf.update(task_default_queue="q", task_default_priority=4, task_crash_limit=7)

    envelope = envelope_of(a_task(), conf)

    assert (envelope.queue, envelope.priority, envelope.crash_limit) == ("q", 4, 7)


@pytest.mark.parametrize(
    ("routes", "queue", "priority"),
    [
        ({"mail.send": "exact"}, "exact", 0),
        ({"mail.*": "pattern"}, "pattern", 0),
        ({"mail.*": "pattern", "mail.send": "exact"}, "exact", 0),
        ({"m*": "first", "mail.*": "second"}, "first", 0),
        ({"MAIL.*": "capitals"}, "default", 0),
        ({"mail.*": {"queue": "q", "priority": 7}}, "q", 7),
        ({"mail.*": {"priority": 7}}, "default", 7),
        ({"other.*": "q"}, "default", 0),
    ],
)
def test_routes_are_taken_by_name_then_by_the_first_pattern(conf, routes, queue, priority):
    conf.task_routes = routes

    envelope = envelope_of(a_task(), conf)

    assert (envelope.queue, envelope.priority) == (queue, priority)


def test_the_task_wins_over_the_route_and_the_call_over_the_task(conf):
    conf.task_routes = {"mail.*": {"queue": "route", "priority": 1}}
    envelope = envelope_of(a_task(queue="task", priority=2), conf)
    assert (envelope.queue, envelope.priority) == ("task", 2)

    envelope = envelope.with_call(CallOptions(queue="call", priority=3), NOW, Berlin(), "mail.send")

    assert (envelope.queue, envelope.priority) == ("call", 3)


def test_a_route_with_an_unknown_word_is_an_error(conf):
    conf.task_routes = {"mail.*": {"exchange": "x"}}

    with pytest.raises(ConfigurationError, match="exchange"):
        envelope_of(a_task(), conf)


@pytest.mark.parametrize("priority", [-1, 10, 1.5, True, "3"])
def test_a_priority_is_a_whole_number_from_0_to_9(conf, priority):
    with pytest.raises(InvalidMessage, match="0 to 9"):
        called(conf, priority=priority)


@pytest.mark.parametrize("queue", ["a\nb", "", "a" * 10_000, "../x", "a\0"])
def test_a_hostile_queue_is_refused(conf, queue):
    with pytest.raises(InvalidName):
        called(conf, queue=queue)


# --- when -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "eta"),
    [
        ({"countdown": 10}, NOW + 10),
        ({"countdown": 0}, NOW),
        ({"countdown": -10}, NOW),
        ({"eta": NOW + 5}, NOW + 5),
        ({"eta": NOW - 5}, NOW - 5),
        ({"eta": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, 1767225600.0),
        ({"eta": dt.datetime(2026, 1, 1, 1)}, 1767225600.0),
        ({}, None),
    ],
)
def test_a_call_says_when_it_may_start(conf, options, eta):
    assert called(conf, **options).eta == eta


@pytest.mark.parametrize(
    ("expires", "moment"),
    [
        (10, NOW + 10),
        (dt.timedelta(minutes=1), NOW + 60),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 1767225600.0),
        (dt.datetime(2026, 1, 1, 1), 1767225600.0),
        (-5, NOW - 5),
        (None, None),
    ],
)
def test_a_call_says_when_it_expires(conf, expires, moment):
    assert called(conf, expires=expires).expires_at(NOW) == moment


def test_the_tasks_own_expiry_counts_from_each_sending(conf):
    envelope = envelope_of(a_task(expires=dt.timedelta(seconds=30)), conf)

    assert envelope.expires_at(NOW) == NOW + 30
    assert envelope.expires_at(NOW + 100) == NOW + 130


def test_a_call_has_an_eta_or_a_countdown(conf):
    with pytest.raises(InvalidMessage, match="not both"):
        called(conf, eta=NOW, countdown=3)


@pytest.mark.parametrize(
    "options", [{"countdown": float("nan")}, {"countdown": 1e300}, {"eta": float("inf")}]
)
def test_a_time_without_sense_is_refused(conf, options):
    with pytest.raises(InvalidMessage, match="out of range"):
        called(conf, **options)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("time_limit", [-1, float("nan"), float("inf"), "5", True, 10**5_000]),
        ("soft_time_limit", [-1, float("nan"), float("inf"), "5", dt.timedelta(-1)]),
        ("max_retries", [-1, 2.5, "x", True]),
        ("ignore_result", ["x", 1]),
        ("headers", [5, "x", ["x"]]),
        ("retry", ["x"]),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_with_the_name_of_the_task(conf, option, values):
    for value in values:
        with pytest.raises(InvalidMessage, match=rf"^a call of mail\.send: {option} is .*, not "):
            called(conf, **{option: value})


def test_limits_may_be_timedeltas(conf):
    options = called(conf, time_limit=dt.timedelta(minutes=1), soft_time_limit=50).options

    assert (options.time_limit, options.soft_time_limit) == (60, 50)


@pytest.mark.parametrize("options", [{"countdown": "soon"}, {"eta": "tomorrow"}, {"expires": "never"}])
def test_a_word_where_a_time_is_wanted_is_refused(conf, options):
    with pytest.raises(InvalidMessage, match=next(iter(options))):
        called(conf, **options)


# --- arguments ----------------------------------------------------------------------------------------------


def test_arguments_are_anything_in_order_and_anything_by_name():
    assert arguments_of("add", None, None) == ((), {})
    assert arguments_of("add", iter([1, 2]), {"x": 3}) == ((1, 2), {"x": 3})


@pytest.mark.parametrize(
    ("args", "kwargs"), [(5, None), ("text", None), ({"x": 1}, None), (None, 5), (None, [1])]
)
def test_arguments_that_are_none_are_refused_with_the_name_of_the_task(args, kwargs):
    with pytest.raises(InvalidArguments, match="args of a call of add are"):
        arguments_of("add", args, kwargs)


# --- items of delay_many ----------------------------------------------------------------------------------


def test_an_item_is_a_tuple_of_arguments_or_a_dict_of_named_ones():
    assert as_call((1, 2)) == ((1, 2), {})
    assert as_call([1]) == ((1,), {})
    assert as_call({"x": 1}) == ((), {"x": 1})
    assert as_call(()) == ((), {})


@pytest.mark.parametrize("item", [3, "text", None, {1, 2}])
def test_anything_else_is_refused_with_advice(item):
    with pytest.raises(InvalidMessage, match=r"write \(x,\) for a single argument"):
        as_call(item)
