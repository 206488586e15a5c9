"""The long runs of `make soak`, made short: everything is killed at random, and each task is asked for."""

import pytest

from soak import kills, steady
from soak.processes import Site

pytestmark = pytest.mark.serial


@pytest.fixture
def site(store_url, tmp_path, monkeypatch):
    for name in ("CELERIAC_BROKER_URL", "SOAK_FOLDER", *kills.ENVIRONMENT, *steady.ENVIRONMENT):
        monkeypatch.setenv(name, "")  # so that what the site sets is taken back
    made = []

    def site(**environment):
        made.append(Site(store_url, tmp_path, **environment))
        return made[-1]

    yield site
    for each in made:
        each.close()


def test_nothing_is_lost_stuck_changed_or_done_twice_whatever_is_killed(site):
    verdict = kills.run(site(**kills.ENVIRONMENT), kills=8, tasks=500, seed=2026)

    assert verdict.good, verdict
    assert sum(verdict.kills.values()) >= 8
    assert verdict.sent >= 500 <= verdict.ran


def test_what_a_steady_run_tells_is_measured(site):
    verdict = steady.run(site(**steady.ENVIRONMENT), minutes=0.05, tasks=2_000, rate=6_000.0, period=0.3)

    assert verdict.tasks >= 2_000
    assert min(verdict.worker) > 1 << 20
    assert min(verdict.store_bytes) > 10_000
    assert verdict.latency_last[1] > 0
