"""What the caller holds of a group: the results of its members, asked for and waited for together."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final, overload

from celeriac import graphs, states
from celeriac.current import current_application
from celeriac.errors import UnknownTask
from celeriac.graphs import Graph
from celeriac.message import After, Message, Record
from celeriac.result import AsyncResult, EagerResult
from celeriac.states import State
from celeriac.updates import Home, Together, Update, afollow, aupdates, follow, members, updates

JOIN_NAME: Final = "celeriac.group"
AT_ONCE: Final = 1_000  # ids that are asked for together


class GroupResult:
    """The results of a group, in the order of its members.

    Attributes:
        id: its id, by which `save` and `restore` find it. results: its members'. parent: what it was given.
    """

    def __init__(
        self,
        id: str,
        results: Sequence[AsyncResult[Any]] = (),
        *,
        home: Home | None = None,
        parent: Any = None,
    ) -> None:
        self.id = id
        self.results: list[AsyncResult[Any]] = [*results]
        self.parent = parent
        self._home: Home = current_application() if home is None else home

    def __repr__(self) -> str:
        return f"<GroupResult: {self.id} of {len(self.results)}>"

    def __str__(self) -> str:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GroupResult) and (other.id, other.results) == (self.id, self.results)

    def __hash__(self) -> int:
        return hash(self.id)

    def __len__(self) -> int:
        return len(self.results)

    def __bool__(self) -> bool:
        return True  # an empty group is one, too

    def __iter__(self) -> Iterator[AsyncResult[Any]]:
        return iter(self.results)

    @overload
    def __getitem__(self, index: int) -> AsyncResult[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[AsyncResult[Any]]: ...
    def __getitem__(self, index: Any) -> Any:
        return self.results[index]

    @property
    def children(self) -> list[AsyncResult[Any]]:
        """The members' results, where Celery has them too."""
        return self.results

    # --- asking -------------------------------------------------------------------------------------

    def _records(self) -> Iterator[Record | None]:
        """Read all members' records; those that had ended are asked for once only."""
        open_ = [result for result in self.results if result._final is None]  # noqa: SLF001 - a friend
        found: dict[str, Record | None] = {}
        for start in range(0, len(open_), AT_ONCE):
            some = open_[start : start + AT_ONCE]
            records = self._home.broker.get([result.id for result in some])
            found.update(
                (result.id, result._kept(record))  # noqa: SLF001
                for result, record in zip(some, records, strict=True)
            )
        for result in self.results:
            yield result._final or found.get(result.id)  # noqa: SLF001

    def _states(self) -> Iterator[State | None]:
        return (None if record is None else record.state for record in self._records())

    def completed_count(self) -> int:
        """Return how many have succeeded."""
        return sum(state is State.SUCCEEDED for state in self._states())

    def ready(self) -> bool:
        """Say whether all have ended."""
        return all(state is not None and state.final for state in self._states())

    def successful(self) -> bool:
        """Say whether all have succeeded."""
        return all(state is State.SUCCEEDED for state in self._states())

    def failed(self) -> bool:
        """Say whether any has failed."""
        return any(state is State.FAILED for state in self._states())

    def waiting(self) -> bool:
        """Say whether any has not ended yet."""
        return any(state is None or not state.final for state in self._states())

    @property
    def state(self) -> str:
        """SUCCESS when all have succeeded, FAILURE or REVOKED when one has not, else PENDING."""
        found = set(self._states())
        if found <= {State.SUCCEEDED}:
            return states.SUCCESS
        if State.FAILED in found:
            return states.FAILURE
        return states.REVOKED if State.CANCELLED in found else states.PENDING

    status = state

    # --- waiting ------------------------------------------------------------------------------------

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        callback: Callable[[str, Any], Any] | None = None,
        *,
        disable_sync_subtasks: bool = True,
        **_: Any,
    ) -> list[Any]:
        """Wait until all have ended and return their results in order.

        Args:
            timeout: seconds for all together; None waits without end.
            propagate: raise the first error as soon as there is one; False puts errors among the results.
            callback: called with id and result of each, as they end; then nothing is returned.
            disable_sync_subtasks: see `AsyncResult.get`.

        Raises:
            TimeoutError, UnknownTask, WouldDeadlock: as `AsyncResult.get`.
            Exception: a member's own error.
        """
        for result in self._as_they_end(timeout, disable_sync_subtasks):
            if callback is not None:
                callback(result.id, self._value(result, propagate))
            elif propagate:
                self._check(result)
        if callback is not None:
            return []
        return [self._value(result, propagate) for result in self.results]

    join = join_native = get

    async def aget(
        self, timeout: float | None = None, propagate: bool = True, *, disable_sync_subtasks: bool = True
    ) -> list[Any]:
        """Do what `get` does, without blocking the event loop."""
        async for result in self._aas_they_end(timeout, disable_sync_subtasks):
            if propagate:
                self._check(result)
        return [self._value(result, propagate) for result in self.results]

    ajoin = aget

    def __await__(self) -> Any:
        return self.aget().__await__()

    def iterate(
        self, timeout: float | None = None, propagate: bool = True, *, ordered: bool = False
    ) -> Iterator[Any]:
        """Iterate over the results: as they come, or in the order of the members."""
        if not ordered:
            for result in self._as_they_end(timeout, disabled=True):
                yield self._value(result, propagate)
            return
        at, ended = 0, set[str]()
        for ending in self._as_they_end(timeout, disabled=True):
            ended.add(ending.id)
            while at < len(self.results) and self.results[at].id in ended:
                yield self._value(self.results[at], propagate)
                at += 1

    def _as_they_end(self, timeout: float | None, disabled: bool) -> Iterator[AsyncResult[Any]]:
        members = self._watched(disabled)
        if any(isinstance(result, EagerResult) for result in self.results):
            yield from self.results
            return
        for news in follow(self._home, list(members), timeout, None) if members else ():
            if news is not None and (news[1] is None or news[1].state.final):
                yield self._ended(members, *news)

    async def _aas_they_end(self, timeout: float | None, disabled: bool) -> AsyncIterator[AsyncResult[Any]]:
        import asyncio

        members = await asyncio.to_thread(self._watched, disabled)
        if any(isinstance(result, EagerResult) for result in self.results):
            for result in self.results:
                yield result
            return
        if not members:
            return
        async for news in afollow(self._home, list(members), timeout, None):
            if news is not None and (news[1] is None or news[1].state.final):
                yield self._ended(members, *news)

    def _watched(self, disabled: bool) -> dict[str, AsyncResult[Any]]:
        members = {result.id: result for result in self.results}
        if disabled and self.results:
            first = self.results[0]
            if first._final is None:  # noqa: SLF001
                first.check_wait(disabled)
        return members

    def _ended(
        self, members: dict[str, AsyncResult[Any]], task_id: str, record: Record | None
    ) -> AsyncResult[Any]:
        result = members[task_id]
        if record is None:
            raise UnknownTask(
                f"no task has the id {task_id!r}: never sent, forgotten, or past result_expires"
            )
        result._kept(record)  # noqa: SLF001
        return result

    def _value(self, result: AsyncResult[Any], propagate: bool) -> Any:
        return result.get(propagate=propagate, disable_sync_subtasks=False)

    def _check(self, result: AsyncResult[Any]) -> None:
        record = result._final  # noqa: SLF001
        if record is not None and record.state is not State.SUCCEEDED:
            result.get()

    # --- following ----------------------------------------------------------------------------------

    def updates(self, timeout: float | None = None) -> Iterator[Update]:
        """Iterate over the progress of all together: how many have ended, and how far the others are.

        `current` adds up the members' own progress, each counting as one; `total` is how many there are.

        Raises:
            TimeoutError: *timeout* seconds have passed before the end.
        """
        progress = Together(self.id, [result.id for result in self.results])
        if not self.results:
            yield progress.update()
            return
        for news in updates(self._home, [result.id for result in self.results], timeout=timeout):
            if news is not None and progress.note(news):
                yield progress.update()

    async def aupdates(self, timeout: float | None = None) -> AsyncIterator[Update]:
        """Do what `updates` does, without blocking the event loop."""
        progress = Together(self.id, [result.id for result in self.results])
        if not self.results:
            yield progress.update()
            return
        async for news in aupdates(self._home, [result.id for result in self.results], timeout=timeout):
            if news is not None and progress.note(news):
                yield progress.update()

    def graph(self, most: int = graphs.MOST) -> Graph:
        """Read all that hangs together with its members; see `AsyncResult.graph`."""
        return graphs.read(self._home.broker, [result.id for result in self.results], most)

    # --- commanding ---------------------------------------------------------------------------------

    def revoke(self, terminate: bool = False) -> int:
        """Cancel all that have not ended; return how many were."""
        count, now = 0, self._home.clock.now()
        for start in range(0, len(self.results), AT_ONCE):
            ids = [result.id for result in self.results[start : start + AT_ONCE]]
            answers = self._home.broker.cancel(ids, now, terminate=terminate)
            count += sum(answer in ("cancelled", "stopping", "noted") for answer in answers)
        return count

    def forget(self) -> int:
        """Delete the records of those that have ended, and what `save` kept; return how many members'."""
        self._home.broker.forget([self.id])
        return self._home.broker.forget([result.id for result in self.results])

    def save(self) -> GroupResult:
        """Keep in the store who its members are, so that `restore` finds them by its id.

        The groups of a chord, or before something in a chain, are kept without it.
        """
        ids = tuple(dict.fromkeys(result.id for result in self.results))
        now = self._home.clock.now()
        join = Message(self.id, JOIN_NAME, created=now, after=After(ids, join=True))
        self._home.broker.send([join], now)
        return self

    @classmethod
    def restore(cls, id: str, app: Any = None) -> GroupResult | None:
        """Return the group that was saved under *id*; None when there is none."""
        home: Home = current_application() if app is None else app
        [record] = home.broker.get([id])
        if record is None or record.message.after is None or not record.message.after.join:
            return None
        ids = itertools.chain.from_iterable(members(home.broker, id))
        return cls(id, [AsyncResult(each, home) for each in ids], home=home)
