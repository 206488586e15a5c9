"""The clock that moves when told to, and moments as numbers."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from celeriac.clock import ManualClock, SystemClock, as_datetime, as_timestamp


def test_a_manual_clock_stands_still_until_it_is_moved():
    clock = ManualClock(start=100.0)

    assert (clock.now(), clock.now(), clock.monotonic()) == (100.0, 100.0, 100.0)


@pytest.mark.parametrize(
    ("step", "seconds"),
    [({"seconds": 1.5}, 1.5), ({"minutes": 2}, 120), ({"hours": 1, "minutes": 1, "seconds": 1}, 3661)],
)
def test_a_manual_clock_moves_as_far_as_it_is_told(step, seconds):
    clock = ManualClock(start=1_000.0)

    assert clock.advance(**step) == 1_000.0 + seconds

    assert clock.now() == clock.monotonic() == 1_000.0 + seconds


def test_the_system_clock_tells_the_machines_time():
    clock = SystemClock()

    assert abs(clock.now() - time.time()) < 5
    assert clock.monotonic() <= clock.monotonic()


def test_a_moment_with_a_zone_is_the_same_moment_in_every_zone():
    utc = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
    tokyo = utc.astimezone(timezone(timedelta(hours=9)))

    assert as_timestamp(utc) == as_timestamp(tokyo) == 1_772_625_600.0


def test_a_moment_without_a_zone_is_taken_as_utc_wherever_the_machine_stands(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert as_timestamp(datetime(2026, 3, 4, 12, 0)) == 1_772_625_600.0
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("seconds", [0, 1, 1.25, 1_772_625_600.5])
def test_a_number_is_a_timestamp_already(seconds):
    assert as_timestamp(seconds) == seconds
    assert isinstance(as_timestamp(seconds), float)


def test_seconds_become_an_aware_moment_and_come_back():
    moment = as_datetime(1_772_625_600.5)

    assert moment.tzinfo is UTC
    assert as_timestamp(moment) == 1_772_625_600.5
