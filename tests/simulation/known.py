"""What is known of a task and of a lane, from what the store has answered."""

import math
from dataclasses import dataclass, field
from typing import Any

from celeriac.lanes import Limit
from celeriac.message import Message
from celeriac.outcome import Settlement


@dataclass
class Known:
    """All that is known of one task.

    Attributes:
        not_before: when it may start at the earliest. holder: the worker that holds it, and the fence.
        ended: how each lease on it ended. accepted: what made it final.
        revoked: what each cancel came to. more_parents: those that it got later.
        stop_asked: when its worker was told to terminate it.
        started, returned: the fences under which its code did.
    """

    message: Message
    not_before: float = 0.0
    holder: tuple[str, int] | None = None
    claims: int = 0
    retries: int = 0
    crashes: int = 0
    ended: dict[int, str] = field(default_factory=dict)
    accepted: Settlement | None = None
    revoked: list[str] = field(default_factory=list)
    stands_for: str = ""
    more_parents: list[str] = field(default_factory=list)
    started: dict[int, float] = field(default_factory=dict)
    returned: set[int] = field(default_factory=set)
    stop_asked: float = math.inf
    final: tuple[Any, ...] | None = None

    @property
    def parents(self) -> list[str]:
        """What it waits or waited for."""
        after = self.message.after
        return [] if after is None else [*after.parents, *self.more_parents]

    @property
    def will_not_run_again(self) -> bool:
        """Whether somebody was told so."""
        return not {"cancelled", "noted", "stopping"}.isdisjoint(self.revoked)


@dataclass
class Bucket:
    """The tokens of one lane, and how many of its tasks run."""

    limit: Limit
    tokens: float
    since: float
    running: int = 0
