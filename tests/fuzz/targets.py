"""Everything that reads stored bytes, each with good bytes to begin from and the errors that it may raise."""

import random
import socket
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from celeriac import Celeriac, attempts, codec
from celeriac.attempts import Attempt
from celeriac.beat import entry as entries
from celeriac.beat.plan import step
from celeriac.broker import Report, WorkerInfo
from celeriac.brokers import connect
from celeriac.brokers.redis import wire
from celeriac.brokers.sqlite.rows import record as record_of_row
from celeriac.brokers.sqlite.transaction import from_json
from celeriac.errors import DecodeError, InvalidMessage, StoreCorrupt
from celeriac.jobs import TaskJob
from celeriac.keyring import Keyring, Security, place_of
from celeriac.message import (
    Delivery,
    Message,
    Options,
    Record,
    decode_options,
    decode_payload,
    encode_options,
)
from celeriac.outcome import ErrorInfo, Settlement, decode_error, encode_error, parent_failed
from celeriac.sealing import SealedBroker
from celeriac.states import State, Verdict
from celeriac.worker import inputs, isolated
from celeriac.worker.channel import Channel
from tests.fuzz.foreign import FOREIGN
from tests.fuzz.mutation import mutated
from tests.fuzz.steering import STEERING
from tests.fuzz.target import NOW, Target


@dataclass
class Order:
    number: int
    price: Decimal
    at: datetime
    files: list[Path]


KINDS: tuple[Any, ...] = (Any, int, list[int], Order, Decimal, datetime, Path, set[str], float | None)

app = Celeriac("fuzz", broker="memory://", set_as_current=False)


@app.task(name="fuzz.typed")
def typed(order: Order, names: set[str], *more: int, **others: float) -> None: ...


@app.task(name="fuzz.plain")
def plain(x: Any, y: Any = None) -> None: ...


@app.task(name="fuzz.told")
def told(request: Any, error: Any, traceback: Any) -> None: ...


def _job(name: str) -> TaskJob:
    return TaskJob(app.tasks[name], app.conf)


TYPED, PLAIN, TOLD = _job("fuzz.typed"), _job("fuzz.plain"), _job("fuzz.told")
ERRORS = [
    encode_error(ErrorInfo("builtins.ValueError", "no", "trace", ["no"])),
    encode_error(ErrorInfo("builtins.OSError", "gone", args=[2, "gone"], origin="task-1")),
    encode_error(ErrorInfo("celeriac.errors.TaskFailed", "no", args=["a", "b", "c"])),
    encode_error(ErrorInfo("builtins.UnicodeDecodeError", "x", args=["utf-8", "a", 1, 2, "x"])),
]
PAYLOADS = [
    b"[[],{}]",
    b'[[{"number":1,"price":"1.5","at":"2026-01-02T03:04:05Z","files":["/a"]},["a"],1],{"z":1.5}]',
    b'[[1,"a\\u00e9",null,[true,{"k":1e10}]],{"y":-7}]',
    b'[[{"id":"t","task":"fuzz.plain","call":[[1],{}],"error":' + ERRORS[0] + b',"retries":1}],{}]',
]
OPTIONS = [encode_options(Options(headers={"a": 1}, time_limit=1.5, input="t", root_id="r", max_retries=3))]


def _schedules() -> tuple[list[bytes], list[bytes]]:
    from celeriac.schedules import crontab, every

    app.schedules.add("minutes", crontab(minute="*/5"), plain, (1,), timezone="UTC")
    app.schedules.add("zoned", "0 3 * * mon", plain, (1,), timezone="Europe/Zurich", missed="all")
    app.schedules.add("often", every(seconds=3), plain.s(1) | plain.s(), overlap="queue", max_jitter=5.0)
    kept = app.broker.schedules()
    return [one.entry for one in kept], [one.memory for one in kept]


ENTRIES, MEMORIES = _schedules()


# --- the readers ------------------------------------------------------------------------------------------


def _error(data: bytes, _: random.Random) -> None:
    parent_failed("task-1", data)
    info = decode_error(data)
    assert isinstance(info.rebuild(), BaseException)


def _value(data: bytes, chance: random.Random) -> None:
    codec.decode(data, chance.choice(KINDS))


def _schedule(data: bytes, chance: random.Random) -> None:
    entry = entries.decode_entry(data, "x")
    memory = entries.decode_memory(mutated(chance, MEMORIES) if chance.random() < 0.3 else MEMORIES[0], "x")
    planned = step(entry, memory, NOW, lambda: False)
    ids = [f"id-{number}" for number in range(len(entries.names_in(entry.messages)))]
    for due in planned.runs[:3]:
        entries.messages_of(entry, "x", due, NOW, 0.0, ids)
    str(entry.rule)


FIELDS = {
    "n": b"shop.add",
    "s": b"2",
    "q": b"mail 3",
    "c": b"1700000000.5",
    "a": b"1.5",
    "x": b"2.5",
    "u": b"BUSY",
    "p": PAYLOADS[1],
    "o": OPTIONS[0],
    "d": b"3.5",
    "e": b"4.5",
    "g": b"1 2 3",
    "j": b"4 5.5",
    "w": b"w1",
    "v": b"1",
    "t": ERRORS[0],
    "i": b"{}",
    "h": b"[]",
    "y": b"a b",
    "L": b"lane 1.5 1.0 2",
    "m": b"s 1.5",
}


def _redis_record(data: bytes, chance: random.Random) -> None:
    letters = chance.sample(list(FIELDS), chance.randint(1, len(FIELDS)))
    fields = {letter.encode(): FIELDS[letter] for letter in ("n", "c", *letters)}
    for letter in chance.sample(letters, min(len(letters), 3)):
        fields[letter.encode()] = chance.choice((data, mutated(chance, [FIELDS[letter]])))
    flat = [part for pair in fields.items() for part in pair]
    assert isinstance(wire.record("task-1", flat), Record)


REPLY: list[Any] = [
    *(b"1.5", b"a b", b"c", b"shop.add mail 3 7 2 shop.pay default 0 1 1", b"t1 t2 t3"),
    *([b"p1", b"p2", b"p3"], [[0, b"1 2 3", b"{}"]], [b"{}", b""]),
]


def _redis_reply(data: bytes, chance: random.Random) -> None:
    reply = list(REPLY)
    place = chance.randrange(len(reply))
    value = reply[place]
    if isinstance(value, bytes):
        reply[place] = chance.choice((data, mutated(chance, [value])))
    else:
        reply[place] = chance.choice(([], [data], [[0, data, data]], value * 2))
    wire.exchanged(reply)


def _redis_schedule(data: bytes, chance: random.Random) -> None:
    fields: list[Any] = [b"name", ENTRIES[0], b"1.5", MEMORIES[0], b"0", b"token"]
    fields[chance.randrange(6)] = data
    wire.schedule(fields)


ATTEMPTS = (Attempt(1, 1.5, 2.5, "w", Verdict.RETRY, ERRORS[0]), Attempt(2, 3.5, 4.0, "w", Verdict.CRASHED))
ROW: list[Any] = [
    *(
        "t1",
        "shop.add",
        "mail",
        3,
        1.5,
        PAYLOADS[1],
        2.5,
        None,
        3,
        OPTIONS[0],
        4,
        "BUSY",
        None,
        1.5,
        None,
        "w",
    ),
    *(
        1,
        2,
        3,
        0,
        b"{}",
        b"1",
        ERRORS[0],
        b"[]",
        '["a"]',
        attempts.written(ATTEMPTS),
        1,
        None,
        "lane 1.5 1.0 2",
    ),
]


def _row(data: bytes, chance: random.Random) -> None:
    row = list(ROW)
    for place in chance.sample(range(len(row)), 2):
        text = data.decode("utf-8", "replace")
        row[place] = chance.choice((data, text, None, -1, 10**30, 1.5, float("inf"), float("nan")))
    assert isinstance(record_of_row(tuple(row)), Record)
    from_json(data.decode("utf-8", "surrogateescape"))


def _attempts(data: bytes, _: random.Random) -> None:
    """What is read is no more than the bytes hold, however many they say that an error has."""
    assert sum(len(each.error) for each in wire._attempts(data)) <= len(data)


def _channel(data: bytes, _: random.Random) -> None:
    ours, theirs = socket.socketpair()
    try:
        theirs.sendall(data[:8_000] + b"\n")
        messages = Channel(ours).receive()
        assert messages is None or all(isinstance(message, dict) for message in messages)
    finally:
        ours.close()
        theirs.close()


RING = Keyring(["k" * 32, "o" * 32])
SEALED = SealedBroker(connect("memory://"), Security(("k" * 32, "o" * 32), encrypt=True))
CALL = SEALED._sealed_call(Message("t1", "fuzz.plain", payload=PAYLOADS[2], created=NOW), "")
SEALS = [
    CALL.payload,
    RING.seal(place_of("result", "t1"), b"1"),
    RING.seal(place_of("call", "t1", "fuzz.plain"), b"1"),
]


def _claim(data: bytes, _: random.Random) -> None:
    claim = Delivery("t1", "fuzz.plain", "default", 0, data, b"", 1, 0, 0, 3, b"")
    opened = SEALED._claimed(claim, NOW)
    if data != CALL.payload:
        assert opened.payload.startswith(codec.REFUSED)
        PLAIN.load(opened.payload)


def _sealed_record(data: bytes, chance: random.Random) -> None:
    state = chance.choice(list(State))
    parts = {name: data for name in ("result", "error", "meta", "checkpoint") if chance.random() < 0.5}
    [opened] = SEALED.opened([Record(CALL, state, **parts)])
    assert opened is not None
    assert opened.state is state or opened.state is State.FAILED
    assert data not in (opened.result, opened.error) or not data


def _result_before(data: bytes, chance: random.Random) -> None:
    inputs._Results(_Store(data, chance)).value("t1")
    PLAIN.load(inputs._before(data, b"[[2],{}]"))


def _failure_before(data: bytes, chance: random.Random) -> None:
    TOLD.load_failure(inputs._before(inputs._Results(_Store(data, chance)).failure("t2"), b""))


class _Store:
    """Knows two tasks, with broken bytes wherever one has some."""

    def __init__(self, data: bytes, chance: random.Random) -> None:
        self.data, self.chance = data, chance

    def get(self, ids: list[str]) -> list[Record]:
        payload = self.chance.choice((self.data, PAYLOADS[2]))
        one = Record(Message("t1", "fuzz.plain", payload=payload), State.SUCCEEDED, result=self.data)
        two = Record(Message("t2", "fuzz.plain", payload=payload), State.FAILED, error=self.data)
        return [one if each == "t1" else two for each in ids]


_msgpack = msgspec.msgpack.Encoder().encode
NEWS: list[bytes] = [
    _msgpack(isolated._Progress(Report("t1", 1, "BUSY", b"{}", b"[]", ("a",)), answer=True)),
    _msgpack(isolated._Ended(Settlement("t1", 1, Verdict.SUCCEEDED, b"1"))),
    _msgpack(isolated._Unfit("because")),
]


WORKERS = [msgspec.json.encode(WorkerInfo("w1", "w1@host", names=frozenset({"a"}), queues=("b",)))]


def _child(data: bytes) -> Any:
    return SimpleNamespace(pipe=SimpleNamespace(recv_bytes=lambda: data))


TARGETS = [
    Target("payload", PAYLOADS, lambda data, _: decode_payload(data, what="x")),
    Target("options", OPTIONS, lambda data, _: decode_options(data)),
    Target("typed arguments", PAYLOADS, lambda data, _: TYPED.load(data), (InvalidMessage,)),
    Target("plain arguments", PAYLOADS, lambda data, _: PLAIN.load(data), (InvalidMessage,)),
    Target("arguments of an errback", PAYLOADS, lambda data, _: TOLD.load_failure(data), (InvalidMessage,)),
    Target("error", ERRORS, _error),
    Target("result, meta, checkpoint", [*PAYLOADS, b"1", b'"2026-01-02"', b'{"number":1}'], _value),
    Target("schedule", ENTRIES, _schedule),
    Target("schedule's memory", MEMORIES, lambda data, _: entries.decode_memory(data, "x")),
    Target("Redis record", [b"x", b"1 2 3", b"1.5"], _redis_record),
    Target("Redis reply", [b"x", b"1 2 3", b"a b c d e"], _redis_reply, (StoreCorrupt,)),
    Target("Redis schedule", [b"x", b"1.5"], _redis_schedule, ()),
    Target("SQLite row", [b'["a","b"]', b"lane 1.5 1.0 2", b"x", attempts.written(ATTEMPTS)], _row),
    Target(
        "attempts of a SQLite row",
        [attempts.written(ATTEMPTS)],
        lambda data, _: attempts.read(data),
        (ValueError,),
    ),
    Target(
        "attempts of a Redis record",
        [b"1 1.5 2.5 4 w 3\nbad", b"1 1.5 2.5 6 w 0\n"],
        _attempts,
        (ValueError,),
    ),
    Target("channel of the supervisor", [b'{"kind":"ended","ids":["a"]}'], _channel, ()),
    Target("seal", SEALS, lambda data, _: RING.open(place_of("result", "t1"), data)),
    Target("sealed call", SEALS, _claim, (DecodeError,)),
    Target("sealed record", [*SEALS, *ERRORS], _sealed_record, ()),
    Target("result before", [b"1", b"[1]", *PAYLOADS], _result_before, (InvalidMessage, inputs.Gone)),
    Target("failure before", [*ERRORS, *PAYLOADS], _failure_before, (InvalidMessage, inputs.Gone)),
    Target("worker", WORKERS, lambda data, _: wire.worker(data, b"1.5", b"2.5", 1, b""), ()),
    Target("counts", [b"h:mail", b"3", b"9:a"], lambda data, _: [*wire.counted([(data, data)])], ()),
    Target("isolated process", NEWS, lambda data, _: isolated._heard(_child(data)), (isolated._Lost,)),
    *STEERING,
    *FOREIGN,
]
