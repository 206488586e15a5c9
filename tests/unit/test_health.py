"""Whether a worker is well: by its last exchange, told to files, addresses and systemd."""

import json
import socket
import urllib.error
import urllib.request

import pytest

from celeriac.errors import ConfigurationError
from celeriac.worker.health import FIRST_TRIP, Health, Pulse

NOW = 1_000.0


def a_pulse(ago=None, age=500.0):
    return Pulse(pid=7, started=NOW - age, exchanged=None if ago is None else NOW - ago)


@pytest.fixture
def ready_file(tmp_path):
    return tmp_path / "ready"


@pytest.fixture
def health(ready_file):
    health = Health(ready_file=ready_file, address=("127.0.0.1", 0))
    yield health
    health.close()


def asked(health, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{health.port}/any/path", method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize(
    ("pulses", "well"),
    [
        ([], False),
        ([a_pulse(ago=0)], True),
        ([a_pulse(ago=10)], True),
        ([a_pulse(ago=10.1)], False),
        ([a_pulse(ago=0), a_pulse(ago=11)], False),
        ([a_pulse(ago=0), a_pulse(age=1)], True),
        ([a_pulse(age=1)], False),
        ([a_pulse(ago=0), a_pulse(age=FIRST_TRIP + 1)], False),
    ],
    ids=str,
)
def test_it_is_well_while_every_process_has_exchanged_lately_or_is_new(health, ready_file, pulses, well):
    health.update(pulses, NOW, stopping=False)

    assert ready_file.exists() is well
    assert asked(health)[0] == (200 if well else 503)


def test_a_worker_that_stops_is_not_ready(health, ready_file):
    health.update([a_pulse(ago=0)], NOW, stopping=False)
    health.update([a_pulse(ago=0)], NOW, stopping=True)

    assert not ready_file.exists()
    assert asked(health)[0] == 503


def test_the_answer_says_how_long_ago_each_process_has_exchanged(health):
    health.update([a_pulse(ago=0.5), a_pulse(age=1)], NOW, stopping=False)

    status, body = asked(health)

    assert (status, json.loads(body)) == (
        200,
        {
            "ready": True,
            "stopping": False,
            "processes": [
                {"pid": 7, "exchanged_seconds_ago": 0.5},
                {"pid": 7, "exchanged_seconds_ago": None},
            ],
        },
    )
    assert asked(health, "HEAD") == (200, b"")


def test_a_file_that_an_earlier_worker_left_is_gone_at_once(ready_file):
    ready_file.write_text("4711")

    Health(ready_file=ready_file).close()

    assert not ready_file.exists()


def test_the_file_goes_with_the_worker(ready_file):
    health = Health(ready_file=ready_file)
    health.update([a_pulse(ago=0)], NOW, stopping=False)
    assert ready_file.exists()

    health.close()

    assert not ready_file.exists()


def test_systemd_is_told(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        health = Health(notify=str(tmp_path / "notify"))
        health.update([a_pulse(age=1)], NOW, stopping=False)
        health.update([a_pulse(ago=0)], NOW, stopping=False)
        health.update([], NOW, stopping=True)

        assert [systemd.recv(100), systemd.recv(100)] == [b"READY=1\nWATCHDOG=1", b"STOPPING=1"]


def test_a_systemd_that_is_gone_does_no_harm(tmp_path):
    Health(notify=str(tmp_path / "nobody")).update([a_pulse(ago=0)], NOW, stopping=False)


def test_an_address_that_is_taken_is_refused_with_the_reason(health):
    with pytest.raises(ConfigurationError, match=f"127.0.0.1:{health.port}"):
        Health(address=("127.0.0.1", health.port))


def test_a_file_that_cannot_be_made_is_refused_with_the_reason(tmp_path):
    health = Health(ready_file=tmp_path / "no" / "such" / "folder")

    with pytest.raises(ConfigurationError, match="ready file"):
        health.update([a_pulse(ago=0)], NOW, stopping=False)
