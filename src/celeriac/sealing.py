"""A store in front of a store, which sees only what is sealed: signed, or encrypted too.

What goes in is sealed for its place, what comes back is opened, or refused: a call that cannot be trusted
reaches its worker as one whose arguments raise `SecurityError` when they are read, so it fails as others do;
a result that cannot be is that error. Every store keeps opaque bytes, so none knows of this.

What a store writes by itself (states, times, who waits for whom, why it has cancelled something) has no seal.
Its own errors are recognised; that of a task whose parent has failed is written anew, from the parent's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from celeriac.attempts import Attempt
from celeriac.broker import (
    DEAD_AT_ONCE,
    FOUND_AT_ONCE,
    LINKS_AT_ONCE,
    LOOKED_AT,
    PENDING_AT_ONCE,
    Broker,
    Cancelled,
    Dead,
    Exchanged,
    Found,
    Listener,
    Pending,
    Report,
    Schedule,
    ScheduleChange,
    Situation,
)
from celeriac.criteria import ANY, Criteria
from celeriac.errors import ChordError, DecodeError, SecurityError, StoreCorrupt
from celeriac.keyring import Keyring, Security, is_sealed, place_of, refusal, refused
from celeriac.message import Delivery, Message, Record
from celeriac.outcome import (
    EXPIRED,
    LEASE_LOST,
    NOT_NEEDED,
    PARENT_REVOKED,
    PURGED,
    REVOKED,
    SUPERSEDED,
    ErrorInfo,
    Settlement,
    decode_error,
    parent_failed,
    stored,
)
from celeriac.passing import PassingBroker
from celeriac.states import State, Verdict
from celeriac.steering import ACTIVITY_AT_ONCE, LOG_AT_ONCE, Deed, Entry, Line, body_of, deed_of

MOST_STANDING: Final = 10_000

_log: Final = logging.getLogger("celeriac.security")

_UNSIGNED: Final = "it is not signed, and the setting security_unsigned does not accept that"
_CORRUPT: Final = stored(StoreCorrupt("its record in the store is broken: something else has written to it"))
_UNKNOWN: Final = b"?"  # no error that anybody can read
_CHORD_ERROR: Final = ErrorInfo.of(ChordError()).type
_CORRUPTION: Final = ErrorInfo.of(StoreCorrupt()).type
# What stores write on their own account, by type and message, so that however it is written it is recognised.
_OWN: Final = {
    (info.type, info.message): body
    for body in (EXPIRED, REVOKED, SUPERSEDED, PURGED, PARENT_REVOKED, NOT_NEEDED, LEASE_LOST)
    for info in (decode_error(body),)
}
_FINAL: Final = frozenset({Verdict.SUCCEEDED, Verdict.FAILED, Verdict.CANCELLED})
_ENDS: Final = _FINAL | {Verdict.CRASHED}


class _Call(msgspec.Struct, frozen=True, array_like=True):
    """What a sender says of a call; sealed in place of its payload.

    Attributes:
        answers: the task whose result and error its own are, because it stands for it; "" for itself.
    """

    created: float
    queue: str
    crash_limit: int
    eta: float | None
    join: bool
    answers: str
    options: bytes
    payload: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Call).decode


def sealed(broker: Broker, security: Security | None) -> Broker:
    """Return *broker*, or one in front of it that seals, if that is wanted.

    Raises:
        MissingExtra: it shall encrypt, and the library is not installed.
    """
    return broker if security is None else SealedBroker(broker, security)


class SealedBroker(PassingBroker):
    """Seals what goes into *inner*, and opens what comes out of it.

    Raises:
        MissingExtra: it shall encrypt, and the library is not installed.
    """

    def __init__(self, inner: Broker, security: Security) -> None:
        super().__init__(inner)
        self._keyring = Keyring(security.keys, encrypt=security.encrypt)
        self._max_age = security.max_age
        self._accepts = security.unsigned != "refuse"
        self._seals = security.unsigned != "send"
        self._standing: dict[str, str] = {}  # tasks that run, and for which others they stand

    # --- sending ------------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message], now: float) -> int:
        """See `Broker.send`."""
        return self.inner.send(self._sealed(messages), now)

    def send_unique(self, messages: Sequence[Message], now: float) -> list[str]:
        """See `Broker.send_unique`."""
        return self.inner.send_unique(self._sealed(messages), now)

    def extend(self, join: str, messages: Sequence[Message], ends: Sequence[str], now: float) -> bool:
        """See `Broker.extend`."""
        return self.inner.extend(join, self._sealed(messages), ends, now)

    def replace(
        self, worker: str, task: str, fence: int, graph: Sequence[Message], end: str, now: float
    ) -> bool:
        """See `Broker.replace`; what *end* answers is sealed as the answer of *task*."""
        answers = {end: self._standing.get(task, task)}
        done = self.inner.replace(worker, task, fence, self._sealed(graph, answers), end, now)
        self._standing.pop(task, None)
        return done

    def _sealed(self, messages: Sequence[Message], answers: dict[str, str] | None = None) -> list[Message]:
        if not self._seals:
            return list(messages)
        standing = answers or {}
        return [self._sealed_call(message, standing.get(message.id, "")) for message in messages]

    def _sealed_call(self, message: Message, answers: str) -> Message:
        call = _Call(
            message.created,
            message.queue,
            message.crash_limit,
            message.eta,
            message.after is not None and message.after.join,
            answers,
            message.options,
            message.payload,
        )
        data = self._keyring.seal(place_of("call", message.id, message.name), _encode(call))
        return replace(message, payload=data, options=b"")

    # --- running ------------------------------------------------------------------------------------

    def exchange(
        self,
        worker: str,
        *,
        trip: int,
        finished: Sequence[Settlement] = (),
        want: int = 0,
        now: float,
        queues: Sequence[str] | None = None,
        ageing: float | None = None,
    ) -> Exchanged:
        """See `Broker.exchange`."""
        carried = [self._settled(settlement) for settlement in finished]
        answer = self.inner.exchange(
            worker, trip=trip, finished=carried, want=want, now=now, queues=queues, ageing=ageing
        )
        if self._standing:
            for settlement in finished:
                if settlement.verdict in _FINAL:
                    self._standing.pop(settlement.id, None)
        if not answer.claims:
            return answer
        return replace(answer, claims=[self._claimed(claim, now) for claim in answer.claims])

    def _settled(self, settlement: Settlement) -> Settlement:
        verdict, body = settlement.verdict, settlement.body
        if not self._seals or (verdict not in _ENDS and not body):
            return settlement
        kind = "result" if verdict is Verdict.SUCCEEDED else "error"
        owner = self._standing.get(settlement.id, settlement.id)
        sealed = self._keyring.seal(place_of(kind, owner), body)
        return Settlement(settlement.id, settlement.fence, verdict, sealed, settlement.due)

    def _claimed(self, delivery: Delivery, now: float) -> Delivery:
        try:
            return self._opened_claim(delivery, now)
        except SecurityError as error:
            fields = {"id": delivery.id, "task": delivery.name, "reason": str(error)}
            _log.warning("call refused", extra=fields)
            return replace(delivery, payload=refusal(str(error)), options=b"", checkpoint=b"")

    def _opened_claim(self, delivery: Delivery, now: float) -> Delivery:
        checkpoint = self._opened("checkpoint", delivery.id, delivery.checkpoint)
        call = self._call(delivery.id, delivery.name, delivery.payload)
        if call is None:
            return replace(delivery, checkpoint=checkpoint)
        self._check_call(call, delivery, now)
        self._note_standing(delivery.id, call)
        return replace(delivery, payload=call.payload, options=call.options, checkpoint=checkpoint)

    def _call(self, task_id: str, name: str, payload: bytes) -> _Call | None:
        """Open a call; None for one that is not sealed, where that is accepted."""
        if not is_sealed(payload):
            self._check_unsigned()
            return None
        body = self._keyring.open(place_of("call", task_id, name), payload)
        try:
            return _decode(body)
        except msgspec.MsgspecError as error:  # one of our own keys has signed it: another version
            raise SecurityError(f"what was signed cannot be read: {error}") from error

    def _check_unsigned(self) -> None:
        if not self._accepts:
            raise SecurityError(_UNSIGNED)

    def _check_call(self, call: _Call, delivery: Delivery, now: float) -> None:
        """Return if *delivery* is what the sender has asked for, and in time.

        Raises:
            SecurityError: it is not.
        """
        if call.join or (call.queue, call.crash_limit) != (delivery.queue, delivery.crash_limit):
            raise SecurityError("it was signed for another queue, or for another crash_limit")
        age = now - max(call.created, call.eta or 0.0)
        if self._max_age is not None and age > self._max_age:
            raise SecurityError(
                f"it is {age:,.0f} s old, and after {self._max_age:,.0f} s (security_max_age) a call is "
                "taken for a replay"
            )

    def _note_standing(self, task_id: str, call: _Call) -> None:
        if call.answers:
            if len(self._standing) >= MOST_STANDING:
                self._standing.pop(next(iter(self._standing)), None)
            self._standing[task_id] = call.answers

    def report(self, worker: str, reports: Sequence[Report], now: float) -> list[str]:
        """See `Broker.report`."""
        return self.inner.report(worker, [self._reported(report) for report in reports], now)

    def _reported(self, report: Report) -> Report:
        return replace(
            report,
            meta=self._sealed_bytes("meta", report.id, report.meta),
            checkpoint=self._sealed_bytes("checkpoint", report.id, report.checkpoint),
        )

    def _sealed_bytes(self, kind: str, owner: str, body: bytes | None) -> bytes | None:
        return self._keyring.seal(place_of(kind, owner), body) if body and self._seals else body

    # --- logs and activity --------------------------------------------------------------------------

    def write_log(self, worker: str, lines: Sequence[Line], now: float) -> list[str]:
        """See `Broker.write_log`."""
        sealed = [replace(line, body=self._sealed_bytes("log", line.id, line.body) or b"") for line in lines]
        return self.inner.write_log(worker, sealed, now)

    def read_log(self, id: str, after: int = 0, count: int = LOG_AT_ONCE) -> list[Entry]:
        """See `Backend.read_log`; a line that cannot be trusted says so."""
        return [self._line(id, entry) for entry in self.inner.read_log(id, after, count)]

    def _line(self, id: str, entry: Entry) -> Entry:
        try:
            return replace(entry, body=self._opened("log", id, entry.body))
        except SecurityError as error:
            return replace(entry, body=body_of("celeriac", f"(this line cannot be trusted: {error})"))

    def note(self, deeds: Sequence[Deed], now: float) -> None:
        """See `Broker.note`."""
        sealed = [replace(deed, body=self._sealed_bytes("deed", "", deed.body) or b"") for deed in deeds]
        self.inner.note(sealed, now)

    def activity(self, after: int = 0, count: int = ACTIVITY_AT_ONCE) -> list[Deed]:
        """See `Backend.activity`; what cannot be trusted says so."""
        return [self._deed(deed) for deed in self.inner.activity(after, count)]

    def _deed(self, deed: Deed) -> Deed:
        try:
            return replace(deed, body=self._opened("deed", "", deed.body))
        except SecurityError as error:
            doubt = deed_of("?", "?", f"(this entry cannot be trusted: {error})", 0, deed.at)
            return replace(deed, body=doubt.body)

    # --- whose run is over --------------------------------------------------------------------------

    def retire(self, workers: Sequence[str], now: float, error: bytes = LEASE_LOST) -> int:
        """See `Broker.retire`."""
        return self.inner.retire(workers, now, self._for_anybody(error))

    def cancel(
        self, ids: Sequence[str], now: float, *, terminate: bool = False, error: bytes = REVOKED
    ) -> list[Cancelled]:
        """See `Broker.cancel`."""
        return self.inner.cancel(ids, now, terminate=terminate, error=self._for_anybody(error))

    def _for_anybody(self, error: bytes) -> bytes:
        """Seal an *error* that may become that of several tasks."""
        if not self._seals or error in _OWN.values():
            return error
        return self._keyring.seal(place_of("error", ""), error)

    # --- records ------------------------------------------------------------------------------------

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """See `Backend.get`."""
        return self.opened(self.inner.get(ids))

    def running(self, worker: str) -> list[Record]:
        """See `Backend.running`."""
        return [record for record in self.opened(self.inner.running(worker)) if record]

    def pending(self, after: str = "", count: int = PENDING_AT_ONCE) -> Pending:
        """See `Backend.pending`."""
        found = self.inner.pending(after, count)
        return Pending([record for record in self.opened(found.records) if record], found.after)

    def dead(self, after: str = "", count: int = DEAD_AT_ONCE, before: float | None = None) -> Dead:
        """See `Backend.dead`."""
        found = self.inner.dead(after, count, before)
        return Dead([record for record in self.opened(found.records) if record], found.after)

    def find(
        self,
        criteria: Criteria = ANY,
        after: str = "",
        count: int = FOUND_AT_ONCE,
        limit: int = LOOKED_AT,
    ) -> Found:
        """See `Backend.find`."""
        found = self.inner.find(criteria, after, count, limit)
        return replace(found, records=[record for record in self.opened(found.records) if record])

    def explain(self, id: str, now: float) -> Situation | None:
        """See `Backend.explain`."""
        situation = self.inner.explain(id, now)
        if situation is None:
            return None
        [record] = self.opened([situation.record])
        return situation if record is None else replace(situation, record=record)

    def listener(self) -> Listener:
        """See `Backend.listener`."""
        return _OpeningListener(self.inner.listener(), self)

    def inputs(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[tuple[str, bytes | None]]:
        """See `Backend.inputs`.

        Raises:
            SecurityError: one of the results cannot be trusted.
        """
        found = self.inner.inputs(id, start, count)
        return [(each, None if data is None else self._result(each, data)) for each, data in found]

    def _result(self, task_id: str, data: bytes) -> bytes:
        try:
            return self._answer("result", task_id, data)
        except SecurityError as error:
            [record] = self.get([task_id])  # perhaps it stands for another one
            if record is not None and record.state is State.SUCCEEDED:
                return record.result
            raise SecurityError(f"the result of task {task_id} cannot be trusted: {error}") from error

    def opened(self, records: Iterable[Record | None]) -> list[Record | None]:
        """Open *records* as the inner store has given them."""
        return self._with_reasons([record and self._opened_record(record) for record in records])

    def _opened_record(self, record: Record) -> Record:
        if record.state is State.FAILED and _type_of(record.error) == _CORRUPTION:
            return replace(record, error=_CORRUPT)
        try:
            return self._trusted(record)
        except SecurityError as error:
            message = replace(record.message, payload=refusal(str(error)), options=b"")
            why = stored(SecurityError(f"task {record.id} ({message.name}) cannot be trusted: {error}"))
            return Record(message, State.FAILED, finished=record.finished or message.created, error=why)

    def _trusted(self, record: Record) -> Record:
        """Open all of a *record*.

        Raises:
            SecurityError: its call, its result or its error cannot be trusted.
        """
        sent, owner, is_join = record.message, record.id, _is_join(record.message)
        call = self._call(sent.id, sent.name, sent.payload)
        if call is not None:
            if call.queue != sent.queue or call.join != is_join:
                raise SecurityError("it was signed for another queue, or to be another kind of task")
            if record.state is State.RUNNING:
                self._note_standing(sent.id, call)
            owner = call.answers or sent.id
            sent = replace(sent, payload=call.payload, options=call.options)
        succeeded = record.state is State.SUCCEEDED and not is_join
        return replace(
            record,
            message=sent,
            result=self._answer("result", owner, record.result) if succeeded else b"",
            error=self._error(record, owner),
            meta=self._if_trusted("meta", record, record.meta),
            checkpoint=self._if_trusted("checkpoint", record, record.checkpoint),
            attempts=tuple(self._attempt(attempt, owner) for attempt in record.attempts),
        )

    def _attempt(self, attempt: Attempt, owner: str) -> Attempt:
        """Open the error of an earlier run; one that cannot be trusted says so in its place."""
        try:
            error = self._opened_error(attempt.error, owner) if attempt.error else b""
        except SecurityError as doubt:
            error = stored(doubt)
        return replace(attempt, error=error)

    def _answer(self, kind: str, owner: str, data: bytes) -> bytes:
        """Open a result or an error, which must be sealed even when it is empty."""
        if is_sealed(data):
            return self._keyring.open(place_of(kind, owner), data)
        self._check_unsigned()
        return data

    def _error(self, record: Record, owner: str) -> bytes:
        data, ended = record.error, record.state in (State.FAILED, State.CANCELLED)
        if not data and not ended:
            return data
        return self._opened_error(data, owner)

    def _opened_error(self, data: bytes, owner: str) -> bytes:
        if is_sealed(data):
            try:
                return self._keyring.open(place_of("error", owner), data)
            except SecurityError:
                return self._keyring.open(place_of("error", ""), data)
        return data if self._accepts else _own_error(data)

    def _opened(self, kind: str, owner: str, data: bytes) -> bytes:
        return self._answer(kind, owner, data) if data else data

    def _if_trusted(self, kind: str, record: Record, data: bytes) -> bytes:
        """Open what a task has reported on its way; what cannot be trusted is as if there was none."""
        try:
            return self._opened(kind, record.id, data)
        except SecurityError as error:
            fields = {"id": record.id, "kind": kind, "reason": str(error)}
            _log.warning("progress refused", extra=fields)
            return b""

    def _with_reasons(self, records: list[Record | None]) -> list[Record | None]:
        """Write the errors of those whose parents have failed anew: those of a store are not signed."""
        origins = {record.id: origin for record in records if record and (origin := _origin_of(record.error))}
        if self._accepts or not origins:
            return records
        ids = list(dict.fromkeys(origins.values()))
        found = zip(ids, self.inner.get(ids), strict=True)
        reasons = {each: self._opened_record(parent).error if parent else _UNKNOWN for each, parent in found}
        return [
            replace(record, error=parent_failed(origins[record.id], reasons[origins[record.id]]))
            if record and record.id in origins
            else record
            for record in records
        ]

    # --- schedules ----------------------------------------------------------------------------------

    def advance(self, changes: Sequence[ScheduleChange], now: float) -> list[bool]:
        """See `Broker.advance`."""
        return self.inner.advance([self._changed(change) for change in changes], now)

    def _changed(self, change: ScheduleChange) -> ScheduleChange:
        new = change.schedule
        if new is not None:
            new = replace(
                new,
                entry=self._kept("schedule", new.name, new.entry),
                memory=self._kept("memory", new.name, new.memory),
            )
        return replace(change, schedule=new, messages=tuple(self._sealed(change.messages)))

    def _kept(self, kind: str, name: str, data: bytes) -> bytes:
        """Seal a part of a schedule; what was refused goes back as it was."""
        old = refused(data)
        return (self._sealed_bytes(kind, name, data) or b"") if old is None else old

    def schedules(self, names: Sequence[str] | None = None) -> list[Schedule]:
        """See `Backend.schedules`."""
        return [self._schedule(kept) for kept in self.inner.schedules(names)]

    def next_schedules(self, count: int) -> list[Schedule]:
        """See `Backend.next_schedules`."""
        return [self._schedule(kept) for kept in self.inner.next_schedules(count)]

    def _schedule(self, kept: Schedule) -> Schedule:
        return replace(
            kept,
            entry=self._part("schedule", kept.name, kept.entry),
            memory=self._part("memory", kept.name, kept.memory),
        )

    def _part(self, kind: str, name: str, data: bytes) -> bytes:
        try:
            return self._opened(kind, name, data)
        except SecurityError as error:
            return refusal(str(error), data)


class _OpeningListener(Listener):
    """Hears for a sealed store."""

    def __init__(self, inner: Listener, broker: SealedBroker) -> None:
        self._inner, self._broker = inner, broker

    def watch(self, ids: Sequence[str]) -> list[Record | None]:
        """See `Listener.watch`."""
        return self._broker.opened(self._inner.watch(ids))

    def wait(self, timeout: float) -> set[str] | None:
        """See `Listener.wait`."""
        return self._inner.wait(timeout)

    def wake(self) -> None:
        """See `Listener.wake`."""
        self._inner.wake()

    def close(self) -> None:
        """See `Listener.close`."""
        self._inner.close()


def _is_join(message: Message) -> bool:
    return message.after is not None and message.after.join


def _info_of(error: bytes) -> ErrorInfo | None:
    if not error or is_sealed(error):
        return None
    try:
        return decode_error(error)
    except DecodeError:
        return None


def _type_of(error: bytes) -> str:
    info = _info_of(error)
    return "" if info is None else info.type


def _origin_of(error: bytes) -> str | None:
    info = _info_of(error)
    return None if info is None or info.type != _CHORD_ERROR else info.origin


def _own_error(data: bytes) -> bytes:
    """Return an error that a store has written on its own account.

    Raises:
        SecurityError: it is none of those.
    """
    info = _info_of(data)
    if info is not None:
        if (info.type, info.message) in _OWN:
            return _OWN[info.type, info.message]
        if info.type == _CHORD_ERROR and info.origin:  # it is written anew: see `_with_reasons`
            return data
    raise SecurityError("its error is not signed")
