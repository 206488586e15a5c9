"""Stored bytes of what steers and watches workers: pulses, commands, log lines, deeds, tallies."""

import random

import msgspec

from celeriac import statistics, steering, tally
from celeriac.broker import WorkerInfo
from celeriac.brokers import connect
from celeriac.brokers.redis import wire
from celeriac.keyring import Security
from celeriac.sealing import SealedBroker
from celeriac.steering import Command, Deed, Entry, Pulse, Stack
from celeriac.tally import Tally
from tests.fuzz.mutation import mutated
from tests.fuzz.target import NOW, Target

SEALED = SealedBroker(connect("memory://"), Security(("k" * 32, "o" * 32), encrypt=True))
DESCRIBED = msgspec.json.encode(WorkerInfo("w1", "w1@host", names=frozenset({"a"}), queues=("b",)))
PULSES = [
    steering.encode_pulse(Pulse()),
    steering.encode_pulse(Pulse(memory=1 << 30, cpu=1.5, done=7, lag=0.25, draining=True, heard=3)),
]
SAID = [
    steering.body_of("shop", "it is so"),
    steering.body_of(
        "celeriac.stack", '  File "/a.py", line 3, in run\n    wait()\n  File "/b.py", line 4, in wait\n'
    ),
]
DONE = [steering.deed_of("ana", "revoke", "task-1", 1, NOW).body, steering.deed_of("", "", "", 0, NOW).body]
SEALED_SAID = [SEALED._sealed_bytes("log", "t1", SAID[0]) or b"", *SAID]
SEALED_DONE = [SEALED._sealed_bytes("deed", "", DONE[0]) or b"", *DONE]
NUMBERS = [
    tally.written({tally.SUCCEEDED: 3, tally.RAN: 1_500_000, tally.RUN + 4: 3, tally.QUEUED: 12}).encode(),
    b"0:1 1:1 16:3 32:1 64:1 91:999999999999999999",
]


def _pulse(data: bytes, chance: random.Random) -> None:
    assert isinstance(steering.decode_pulse(data), Pulse)
    assert set(steering.pulse_fields(data)) == set(steering.PULSE_FIELDS)
    steering.pulse_fields(data.decode("utf-8", "replace"))
    described = mutated(chance, [DESCRIBED]) if chance.random() < 0.3 else DESCRIBED
    wire.worker(described, b"1.5", b"2.5", 1, data)


def _commands(data: bytes, _: random.Random) -> None:
    for command in wire.commands([data, b"4 drain "]):
        assert isinstance(command, Command)
        assert command.verb in ("drain", "resume", "stop", "stack")


def _lines(data: bytes, _: random.Random) -> None:
    for entry in wire.log_entries([1, data, 2, b"7 1.5 20\n" + data], 0.5):
        _show(entry)


def _show(entry: Entry) -> None:
    line = steering.line_of(entry)
    line.text.encode()  # whatever it was, it can be shown
    line.logger.encode()
    assert all(isinstance(frame.line, int) for frame in Stack("t1", NOW, line.text).frames)


def _sealed_line(data: bytes, _: random.Random) -> None:
    entry = SEALED._line("t1", Entry(1, 1, NOW, 20, data))
    said = steering.line_of(entry).text
    assert data in (b"", SEALED_SAID[0]) or "cannot be trusted" in said


def _deeds(data: bytes, _: random.Random) -> None:
    for deed in wire.deeds([data, b"7 1.5\n" + data], 0.5):
        told = steering.activity_of(deed)
        f"{told.who} {told.verb} {told.target} {told.count:d}".encode()


def _sealed_deed(data: bytes, _: random.Random) -> None:
    told = steering.activity_of(SEALED._deed(Deed(NOW, data)))
    assert data in (b"", SEALED_DONE[0]) or "cannot be trusted" in told.target


def _numbers(data: bytes, _: random.Random) -> None:
    numbers = tally.read(data.decode("utf-8", "replace"))
    assert tally.read(tally.written(numbers)) == {
        place: number for place, number in numbers.items() if number
    }
    minute = tally.begin(NOW)
    rows = [Tally(minute, queue, "n", numbers) for queue in "ab"] + [Tally(minute, "a", "", numbers)]
    found = statistics.statistics_of(rows, since=minute, until=NOW + 60, step=60, by="queue")
    assert found.total.total.succeeded == 3 * numbers.get(tally.SUCCEEDED, 0)


STEERING = [
    Target("pulse", PULSES, _pulse, ()),
    Target("command", [b"1 drain ", b"2 stack task-1", b"99 stop "], _commands, ()),
    Target("log line", [b"1 1700000000.5 20\n" + body for body in SAID] + SAID, _lines, ()),
    Target("sealed log line", SEALED_SAID, _sealed_line, ()),
    Target("deed", [b"1 1700000000.5\n" + body for body in DONE] + DONE, _deeds, ()),
    Target("sealed deed", SEALED_DONE, _sealed_deed, ()),
    Target("tally", NUMBERS, _numbers, ()),
]
