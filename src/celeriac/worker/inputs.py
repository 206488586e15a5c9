"""What a task is given by those that it waited for, put before its own arguments when it is claimed.

Results stay where they are: a message never grows with what came before it. They are copied as the bytes that
they are, so a list of a hundred thousand results is neither decoded nor encoded here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from celeriac import codec
from celeriac.broker import Broker
from celeriac.errors import (
    CeleriacError,
    DecodeError,
    OperationalError,
    SecurityError,
    TaskFailed,
    UnknownTask,
)
from celeriac.message import Delivery, FailureNote, Message, Options, Record, decode_options, decode_payload
from celeriac.outcome import Settlement, decode_error, stored
from celeriac.states import State, Verdict

AT_ONCE: Final = 1_000  # records that are read together
MOST_SHOWN: Final = 100  # tasks whose results people are shown as one argument
_MARKS: Final = (b'"input"', b'"failure_of"')


class Gone(Exception):
    """A record is not there any more; its argument is the id."""


def needs_input(delivery: Delivery) -> bool:
    """Say whether *delivery* may be given something."""
    return any(mark in delivery.options for mark in _MARKS)


def complete(broker: Broker, deliveries: Iterable[Delivery]) -> tuple[list[Delivery], list[Settlement]]:
    """Put what tasks are given into their payloads; settle those whose parents' records are gone.

    Raises:
        OperationalError: the store is away; nothing has happened.
    """
    wanted = [(delivery, _options_of(delivery)) for delivery in deliveries]
    results = _Results(broker)
    results.read({each for _, options in wanted for each in (options.input, options.failure_of) if each})
    ready, settled = [], []
    for delivery, options in wanted:
        try:
            ready.append(_given(delivery, options, results))
        except Gone as gone:
            error = UnknownTask(f"the record of task {gone}, whose result {delivery.name} is given, is gone")
            settled.append(Settlement(delivery.id, delivery.fence, Verdict.FAILED, stored(error)))
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - nobody foresees it; only its own task may fail of it
            settled.append(Settlement(delivery.id, delivery.fence, Verdict.FAILED, stored(error)))
    return ready, settled


def completed(broker: Broker, record: Record, most: int = MOST_SHOWN) -> Record:
    """Return *record* with what its code is given before its own arguments, for people to see.

    Returns:
        It as it is where that is not there yet, or no more, or comes from more than *most* tasks.

    Raises:
        OperationalError: the store is away.
    """
    sent = record.message
    if not any(mark in sent.options for mark in _MARKS):
        return record
    options, results = _options_of(sent), _Results(broker)
    source = options.failure_of or options.input
    try:
        if source is None or len(broker.inputs(source, 0, most + 1)) > most:
            return record
        value = results.value(source) if options.failure_of is None else results.failure(source)
    except OperationalError:
        raise
    except (Gone, CeleriacError):
        return record
    return replace(record, message=replace(sent, payload=_before(value, sent.payload)))


def _options_of(delivery: Delivery | Message) -> Options:
    try:
        return decode_options(delivery.options)
    except DecodeError:  # the run will say so
        return Options()


def _given(delivery: Delivery, options: Options, results: _Results) -> Delivery:
    if options.failure_of is not None:
        value = results.failure(options.failure_of)
    elif options.input is not None:
        value = results.value(options.input)
    else:
        return delivery
    return replace(delivery, payload=_before(value, delivery.payload))


def _before(value: bytes, payload: bytes) -> bytes:
    """Put *value* before the positional arguments in a payload, `[[...],{...}]`."""
    if not payload:
        return b"[[" + value + b"],{}]"
    if not payload.startswith(b"[["):  # broken: the run will say so
        return payload
    return b"[[" + value + (b"" if payload[2:3] == b"]" else b",") + payload[2:]


class _Results:
    """Results by id, each read once."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._records: dict[str, Record] = {}
        self._values: dict[str, bytes] = {}

    def read(self, ids: Iterable[str]) -> None:
        """Read records that are not known yet."""
        missing = [each for each in ids if each not in self._records]
        for start in range(0, len(missing), AT_ONCE):
            some = missing[start : start + AT_ONCE]
            found = zip(some, self._broker.get(some), strict=True)
            self._records.update((each, record) for each, record in found if record is not None)

    def value(self, task_id: str) -> bytes:
        """Return a result as JSON: that of a task, or the list of those that a join brings together."""
        if task_id not in self._values:
            record = self._record(task_id)
            after = record.message.after
            joins = after is not None and after.join
            if not joins and record.state is not State.SUCCEEDED:
                raise _reason(record)
            self._values[task_id] = self._joined(task_id) if joins else record.result or b"null"
        return self._values[task_id]

    def _joined(self, task_id: str) -> bytes:
        values: list[bytes] = []
        while some := self._broker.inputs(task_id, len(values), AT_ONCE):
            values += [self.value(each) if result is None else result or b"null" for each, result in some]
        return b"[" + b",".join(values) + b"]"

    def failure(self, task_id: str) -> bytes:
        """Return a `FailureNote` as JSON: of that task, or of the one that failed first."""
        record = self._record(task_id)
        error = record.error
        try:
            origin = decode_error(error).origin
        except DecodeError:
            origin, error = None, stored(TaskFailed("its error cannot be read", "", ""))
        if origin is not None:
            self.read([origin])
            record = self._records.get(origin, record)
            error = record.error
        decode_payload(record.message.payload, what=f"the arguments of {record.message.name}")
        note = FailureNote(
            id=record.id,
            task=record.message.name,
            call=msgspec.Raw(record.message.payload or b"[[],{}]"),
            error=msgspec.Raw(error or stored(TaskFailed("for an unknown reason", "", ""))),
            retries=record.retries,
        )
        return codec.encode(note, what="a failure")

    def _record(self, task_id: str) -> Record:
        if task_id not in self._records:
            self.read([task_id])
        try:
            return self._records[task_id]
        except KeyError:
            raise Gone(task_id) from None


def _reason(record: Record) -> Exception:
    """Say why there is no result where there was one: it is gone, or cannot be trusted any more."""
    error = decode_error(record.error).rebuild() if record.state is State.FAILED else None
    return error if isinstance(error, SecurityError) else Gone(record.id)


def split(claims: Sequence[Delivery]) -> tuple[Sequence[Delivery], list[Delivery]]:
    """Return those that can start as they are, and those that are given something."""
    needy = [claim for claim in claims if claim.options and needs_input(claim)]
    return ([claim for claim in claims if not needs_input(claim)] if needy else claims), needy
