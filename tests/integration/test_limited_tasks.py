"""rate_limit, concurrency, key, fair: as people write them, with real workers on each store."""

import threading
import time
from collections import Counter

import pytest

from celeriac import chain
from celeriac.errors import ConfigurationError, InvalidArguments
from celeriac.lanes import Limit, rate_of

SOON = 10.0


class Crowd:
    """Counts how many are inside at once."""

    def __init__(self):
        self._lock = threading.Lock()
        self.inside = Counter()
        self.most = Counter()

    def enter(self, key=None):
        with self._lock:
            self.inside[key] += 1
            self.most[key] = max(self.most[key], self.inside[key])

    def leave(self, key=None):
        with self._lock:
            self.inside[key] -= 1


def test_no_more_run_at_once_than_the_concurrency_allows_over_two_workers(app):
    crowd = Crowd()

    @app.task(concurrency=2)
    def work(n):
        crowd.enter()
        time.sleep(0.02)
        crowd.leave()
        return n

    with app.embedded(), app.embedded():
        results = work.delay_many([(n,) for n in range(20)])
        assert [result.get(timeout=SOON) for result in results] == list(range(20))

    assert crowd.most == {None: 2}


def test_a_concurrency_per_key_lets_other_keys_go_on(app):
    crowd, together = Crowd(), threading.Barrier(2)

    @app.task(concurrency=1, key="customer")
    def work(customer, n):
        crowd.enter(customer)
        if n == 0:
            together.wait(SOON)  # one of each customer runs at the same time
        crowd.leave(customer)

    with app.embedded():
        results = [work.delay(customer, n) for customer in ("a", "b") for n in range(5)]
        for result in results:
            result.get(timeout=SOON)

    assert crowd.most == {"a": 1, "b": 1}


def test_starts_keep_to_the_rate_over_two_workers(app):
    started = []

    @app.task(rate_limit="20/s")
    def work():
        started.append(time.monotonic())

    with app.embedded(), app.embedded():
        results = work.delay_many([()] * 10)
        for result in results:
            result.get(timeout=SOON)

    assert max(started) - min(started) > 9 * 0.05 - 0.04  # the last of ten tokens comes after 0.45 s


async def _double(n: int) -> int:
    return 2 * n


def test_coroutines_are_limited_too(app):
    work = app.task(concurrency=1, name="double")(_double)

    with app.embedded():
        assert [result.get(timeout=SOON) for result in work.delay_many([(n,) for n in range(5)])] == [
            0,
            2,
            4,
            6,
            8,
        ]


def test_one_customers_many_tasks_do_not_hold_up_anothers(app):
    order, gate = [], threading.Event()

    @app.task(fair=True, key=lambda customer, n: customer)
    def work(customer, n):
        gate.wait(SOON)
        order.append(customer)

    work.delay_many([("big", n) for n in range(50)])
    small = work.delay("small", 0)
    with app.embedded(concurrency=1):
        gate.set()
        small.get(timeout=SOON)

    assert order.index("small") <= 2


def test_a_limited_task_in_a_chain_waits_for_its_lane(app):
    @app.task(concurrency=1)
    def add(x, y=1):
        return x + y

    with app.embedded():
        assert chain(add.s(1), add.s(2), add.s(3)).delay().get(timeout=SOON) == 7


def test_a_key_may_come_from_the_arguments_of_a_link_but_not_from_its_parents_result(memory_app):
    @memory_app.task(concurrency=1, key="customer")
    def work(x, customer="x"):
        return x

    plain = memory_app.task(lambda: 1, name="plain")
    chain(plain.s(), work.s(customer="a")).delay()

    @memory_app.task(concurrency=1, key="x", name="by-result")
    def by_result(x):
        return x

    with pytest.raises(InvalidArguments, match="not known yet"):
        chain(plain.s(), by_result.s()).delay()


def test_a_retry_waits_in_its_lane_again(app):
    runs = []

    @app.task(bind=True, concurrency=1)
    def work(self, n):
        runs.append(n)
        if self.request.retries == 0:
            raise self.retry(countdown=0)
        return n

    with app.embedded():
        assert [result.get(timeout=SOON) for result in work.delay_many([(1,), (2,)])] == [1, 2]

    assert Counter(runs) == {1: 2, 2: 2}


# --- how it is written ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "a_second"),
    [
        ("100/m", 100 / 60),
        ("5/s", 5),
        ("36/h", 0.01),
        ("864/d", 0.01),
        (2.5, 2.5),
        ("10", 10),
        (" 6 / min ", 0.1),
    ],
)
def test_a_rate_is_written_as_in_celery(given, a_second):
    assert rate_of(given) == pytest.approx(a_second)


@pytest.mark.parametrize(
    "given", ["", "fast", "0/s", "-1/s", "1/year", 0, -1, float("nan"), float("inf"), True]
)
def test_what_is_no_rate_is_refused(memory_app, given):
    with pytest.raises(ConfigurationError, match="rate limit"):
        memory_app.task(name="x", rate_limit=given)(lambda: None)


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"concurrency": 1.5},
        {"burst": 5},
        {"rate_limit": 1, "burst": 0},
        {"fair": True},
        {"key": "n"},
        {"concurrency": 1, "key": "nobody"},
        {"concurrency": 1, "key": 5},
    ],
)
def test_options_that_make_no_sense_are_refused_when_the_task_is_made(memory_app, options):
    with pytest.raises(ConfigurationError, match="limited"):
        memory_app.task(name="limited", **options)(lambda n: None)


def test_a_key_that_cannot_be_computed_is_told_to_the_caller(memory_app):
    @memory_app.task(concurrency=1, key=lambda n: 1 // n)
    def work(n):
        """Never run."""

    with pytest.raises(InvalidArguments, match="ZeroDivisionError"):
        work.delay(0)


@pytest.mark.parametrize("key", ["a b", "\x1b[2J", "☀" * 500, "", 5, None, ("x", 1), "{}#%"])
def test_any_value_may_be_a_key(memory_app, key):
    @memory_app.task(concurrency=1, key="value", name="keyed")
    def work(value):
        """Never run."""

    result = work.delay(key)

    [record] = memory_app.broker.get([result.id])
    assert record.message.limit.lane.isprintable()
    assert " " not in record.message.limit.lane
    assert len(record.message.limit.lane) < 200


def test_limits_are_written_and_read_without_loss():
    for limit in (Limit("a"), Limit("a#b", 1 / 3, 2.0, 5), Limit("x", concurrency=1), Limit("y", rate=1e-9)):
        assert Limit.parse(str(limit)) == limit
