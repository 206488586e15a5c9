"""What the memory store keeps of a task and of a worker: records that may be written to."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from celeriac.attempts import Attempt, added
from celeriac.broker import WorkerInfo
from celeriac.message import Delivery, Message, Record
from celeriac.states import State, Verdict
from celeriac.steering import PULSE_FIELDS, Command, Pulse


class Task(msgspec.Struct):
    """A record that may be written to."""

    message: Message
    number: int = 0  # rises from task to task
    state: State = State.QUEUED
    custom: str = ""
    due: float | None = None
    started: float | None = None
    finished: float | None = None
    worker: str = ""
    fence: int = 0
    retries: int = 0
    crashes: int = 0
    cancelled: bool = False
    meta: bytes = b""
    result: bytes = b""
    error: bytes = b""
    checkpoint: bytes = b""
    children: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    parked: bool = False
    held: bool = False  # it stands in its lane, and not where workers look
    parents: list[str] = []
    open: set[str] = set()  # the parents that have not succeeded yet
    dependants: list[str] = []
    stands_for: str = ""  # the task that it was replaced by
    told: int = 0  # how many of them know what has become of it
    unique: str = ""  # the name that it was sent under

    def record(self) -> Record:
        """Return what others may see of it."""
        known = {name: getattr(self, name) for name in Record.__struct_fields__}
        if self.message.after is not None:
            known["message"] = replace(self.message, after=replace(self.message.after, parents=()))
        return Record(**known)

    def note_attempt(self, verdict: Verdict, error: bytes, ended: float) -> None:
        """Keep how a run ended that is not the last one."""
        attempt = Attempt(self.fence, self.started or ended, ended, self.worker, verdict, error)
        self.attempts = added(self.attempts, attempt)

    def own_result(self) -> bytes | None:
        """Return what it returned; None for a join, and for what has not succeeded."""
        join = self.message.after is not None and self.message.after.join
        return self.result if self.state is State.SUCCEEDED and not join else None

    def delivery(self) -> Delivery:
        """Return what a worker gets to see of it."""
        sent = self.message
        return Delivery(
            id=sent.id,
            name=sent.name,
            queue=sent.queue,
            priority=sent.priority,
            payload=sent.payload,
            options=sent.options,
            fence=self.fence,
            retries=self.retries,
            crashes=self.crashes,
            crash_limit=sent.crash_limit,
            checkpoint=self.checkpoint,
        )


class Holder(msgspec.Struct):
    """A worker, what it holds, and what it was last told."""

    info: WorkerInfo
    lease_ends: float
    running: dict[str, int] = {}
    stops: dict[str, float] = {}
    trip: int = 0
    answered: dict[str, int] = {}
    hungry: bool = False
    bell: Any = None
    commands: list[Command] = []
    pulse: Pulse = Pulse()

    def described(self) -> WorkerInfo:
        """Return what others may see of it."""
        told = {name: getattr(self.pulse, name) for name in PULSE_FIELDS}
        return replace(self.info, running=len(self.running), **told)
