"""The life of a task as a table: the states inside, the legal moves, the names outside. A leaf.

Everything that may happen to a task is a row of `MOVES`; the contract tests and the diagram in the
documentation are made from it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class State(IntEnum):
    """Where a task is; stores keep the number, people see the name."""

    WAITING = 0
    SCHEDULED = 1
    QUEUED = 2
    RUNNING = 3
    SUCCEEDED = 4
    FAILED = 5
    CANCELLED = 6

    @property
    def final(self) -> bool:
        """Whether the task has ended. Only a FAILED one can begin again, when somebody requeues it."""
        return self >= State.SUCCEEDED


class Verdict(IntEnum):
    """What a worker asks the store to make of a task that it ran."""

    SUCCEEDED = 1
    FAILED = 2
    CANCELLED = 3
    RETRY = 4
    RELEASE = 5
    CRASHED = 6
    REPLACED = 7  # not by a trip: see `Broker.replace`
    RETURNED = 8  # its code has not begun


# (from, what happens) -> to. Anything else is refused by every store.
MOVES: Final[dict[tuple[State | None, str], State]] = {
    (None, "send"): State.QUEUED,
    (None, "send with a later eta"): State.SCHEDULED,
    (None, "send after others"): State.WAITING,
    (State.WAITING, "release"): State.QUEUED,
    (State.WAITING, "release for later"): State.SCHEDULED,
    (State.WAITING, "join"): State.SUCCEEDED,
    (State.WAITING, "see a parent fail"): State.FAILED,
    (State.WAITING, "see a parent cancelled"): State.CANCELLED,
    (State.WAITING, "cancel"): State.CANCELLED,
    (State.WAITING, "expire"): State.CANCELLED,
    (State.SCHEDULED, "due"): State.QUEUED,
    (State.SCHEDULED, "reschedule"): State.SCHEDULED,
    (State.SCHEDULED, "reschedule for now"): State.QUEUED,
    (State.SCHEDULED, "cancel"): State.CANCELLED,
    (State.SCHEDULED, "expire"): State.CANCELLED,
    (State.QUEUED, "claim"): State.RUNNING,
    (State.QUEUED, "cancel"): State.CANCELLED,
    (State.QUEUED, "expire"): State.CANCELLED,
    (State.RUNNING, "succeed"): State.SUCCEEDED,
    (State.RUNNING, "fail"): State.FAILED,
    (State.RUNNING, "stop"): State.CANCELLED,
    (State.RUNNING, "retry"): State.SCHEDULED,
    (State.RUNNING, "retry at once"): State.QUEUED,
    (State.RUNNING, "release"): State.QUEUED,
    (State.RUNNING, "release for later"): State.SCHEDULED,
    (State.RUNNING, "replace"): State.WAITING,
    (State.WAITING, "stand in for what succeeds"): State.SUCCEEDED,
    (State.RUNNING, "crash"): State.QUEUED,
    (State.RUNNING, "crash past the limit"): State.FAILED,
    (State.RUNNING, "retry, release or crash once cancelled"): State.CANCELLED,
    (State.FAILED, "requeue"): State.QUEUED,
}

# The names outside, as in Celery.
PENDING: Final = "PENDING"
STARTED: Final = "STARTED"
RETRY: Final = "RETRY"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
REVOKED: Final = "REVOKED"
UNKNOWN: Final = "UNKNOWN"
PROGRESS: Final = "PROGRESS"

READY_STATES: Final = frozenset({SUCCESS, FAILURE, REVOKED})
UNREADY_STATES: Final = frozenset({PENDING, STARTED, RETRY, PROGRESS})
EXCEPTION_STATES: Final = frozenset({FAILURE, REVOKED, RETRY})

# States that only the store may give; `update_state` refuses them.
RESERVED: Final = frozenset({PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, UNKNOWN, "RECEIVED"})

_FINAL_NAMES: Final = {State.SUCCEEDED: SUCCESS, State.FAILED: FAILURE, State.CANCELLED: REVOKED}


def outside(state: State, custom: str, retries: int) -> str:
    """Name *state* in Celery's words; *custom* is what ``update_state`` last said ("" for nothing)."""
    if state in _FINAL_NAMES:
        return _FINAL_NAMES[state]
    if state is State.RUNNING:
        return custom or STARTED
    return RETRY if retries else PENDING
