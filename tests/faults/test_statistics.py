"""Statistics under kill -9: of those who tend, in the middle of it, and of workers that have counted."""

import signal
import subprocess
import sys
from datetime import timedelta

from celeriac.brokers import connect
from celeriac.tally import DAY, HOUR, KEPT, MINUTE, SUCCEEDED, Tally, begin, sum_of
from tests.waiting import wait_until

NOW = 1_700_000_000.0
MINUTES = 600

STEPS = 60  # that a tender may make; it is killed after 40 to 60 of them

TEND = f"""
import sys
from celeriac.brokers import connect

broker = connect(sys.argv[1], namespace="counted", deadline=30.0)
for _ in range({STEPS}):
    print("more" if broker.tend(float(sys.argv[2])).more else "done", flush=True)
sys.stdin.readline()
"""


def a_tender(url):
    words = [sys.executable, "-c", TEND, url, str(NOW)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_however_often_those_who_tend_are_killed_each_minute_is_counted_once(store_url):
    old = begin(NOW - KEPT[MINUTE] - 2 * DAY, HOUR)
    broker = connect(store_url, namespace="counted")
    minutes = [Tally(old + each * MINUTE, "q", f"n{each % 7}", {SUCCEEDED: 1}) for each in range(MINUTES)]
    broker.count("teller", 1, minutes, NOW)

    kills, said = 0, []
    while "done\n" not in said:
        tenders = [a_tender(store_url) for _ in range(2)]
        for tender in tenders:
            said += [tender.stdout.readline() for _ in range(40)]
            tender.send_signal(signal.SIGKILL)
            kills += tender.wait() == -signal.SIGKILL
            tender.stdin.close()
            tender.stdout.close()
    while broker.tend(NOW).more:
        pass

    found = broker.statistics(old - DAY, NOW)
    assert sum_of(tally.numbers for tally in found) == {SUCCEEDED: MINUTES}
    assert {tally.step for tally in found} == {HOUR}
    assert kills > 3
    broker.close()


def test_a_killed_worker_loses_the_statistics_of_its_last_seconds_and_no_more(shop, start_worker):
    worker = start_worker("--processes", "1", CELERIAC_WORKER_STATISTICS="0.2")
    from tests.faults.shop import add

    for result in [add.delay(number, 1) for number in range(20)]:
        result.get(30)
    wait_until(
        lambda: shop.stats(since=timedelta(minutes=5)).total.total.succeeded == 20,
        20,
        what="what was counted",
    )

    worker.kill()

    assert shop.stats(since=timedelta(minutes=5)).total.total.succeeded == 20
