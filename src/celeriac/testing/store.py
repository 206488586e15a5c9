"""The store of a test: the memory store, which can be away; and a hub that lets tasks run for who waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from celeriac.broker import Backend, Broker
from celeriac.brokers.memory.broker import MemoryBroker
from celeriac.brokers.memory.records import Task
from celeriac.errors import BrokerUnavailable
from celeriac.hub import Following, Hub, Sink
from celeriac.message import Message, Record


class StageBroker(MemoryBroker):
    """A store in memory that a test can take away."""

    is_away = False

    def __init__(self, retention: float, dead_retention: float) -> None:
        super().__init__(retention=retention, dead_retention=dead_retention)
        self._sent: dict[str, str] = {}  # the names of all tasks by their ids, in the order of sending
        self._past: dict[str, Record] = {}  # what is forgotten

    def sent(self, name: str | None = None) -> list[tuple[str, Record | None]]:
        """Return the ids of all that was sent, or is called *name*, with the records that are forgotten."""
        with self._lock:
            found = [each for each, known in self._sent.items() if name in (None, known)]
            return [(each, None if each in self._tasks else self._past.get(each)) for each in found]

    def _send(self, messages: Sequence[Message], now: float) -> int:
        count = super()._send(messages, now)
        self._sent.update((message.id, message.name) for message in messages)
        return count

    def _unlink(self, task: Task) -> None:
        super()._unlink(task)
        self._past[task.message.id] = task.record()


def _away_or(verb: str) -> Callable[..., Any]:
    def call(self: StageBroker, *args: Any, **kwargs: Any) -> Any:
        if self.is_away:
            raise BrokerUnavailable(f"the store of this test is away, so {verb} cannot be done")
        return getattr(super(StageBroker, self), verb)(*args, **kwargs)

    return call


for _verb in (Broker.__abstractmethods__ | Backend.__abstractmethods__) - {"close"}:
    setattr(StageBroker, _verb, _away_or(_verb))


class StageHub(Hub):
    """Has the tasks of a test run when somebody waits for one, and tells of each change on the way.

    Args:
        run: runs what can run now.
        stuck: makes the error for tasks that have not ended then, since waiting longer would not help.
    """

    def __init__(
        self,
        backend: Broker,
        now: Callable[[], float],
        run: Callable[[], object],
        stuck: Callable[[list[str]], BaseException],
    ) -> None:
        super().__init__(backend, now)
        self._store, self._run, self._stuck = backend, run, stuck
        self._told: dict[Following, dict[str, Record | None]] = {}

    def follow(self, ids: Sequence[str], sink: Sink) -> Following:
        """Call *sink* for each task's record as it is, run what can run, and tell of each change.

        Raises:
            WaitTimeout: one of the tasks has not ended then.
        """
        following = Following(self, ids, sink)
        self._told[following] = {}
        self.tell()
        if self._open(following):
            self._run()
            if left := self._open(following):
                self.leave(following)
                raise self._stuck(left)
        return following

    def _open(self, following: Following) -> list[str]:
        told = self._told.get(following, {})
        return [each for each, record in told.items() if record is not None and not record.state.final]

    def tell(self) -> None:
        """Tell all who follow what has changed."""
        for following, told in list(self._told.items()):
            self._tell_one(following, told)

    def _tell_one(self, following: Following, told: dict[str, Record | None]) -> None:
        ids = [each for each in following.ids if each not in told or _may_change(told[each])]
        for task_id, record in zip(ids, self._store.get(ids), strict=True):
            if task_id not in told or told[task_id] != record:
                told[task_id] = record
                following.sink(task_id, record)

    def leave(self, following: Following) -> None:
        """End a subscription."""
        self._told.pop(following, None)

    def close(self) -> None:
        """Forget all who wait."""
        self._told.clear()


def _may_change(record: Record | None) -> bool:
    return record is not None and not record.state.final
