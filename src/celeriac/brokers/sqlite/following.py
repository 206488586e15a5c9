"""What the end of a task means for those that wait for it: released, failed or cancelled in the same step.

A step tells so many dependants at most. Which parents have more is kept in the table `ended`, and the next
trip or `tend` goes on there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from celeriac.broker import TEND_LIMIT
from celeriac.brokers.sqlite import moves
from celeriac.brokers.sqlite.lines import Lines
from celeriac.brokers.sqlite.transaction import Transaction, as_json
from celeriac.message import After, Message, check_parents
from celeriac.outcome import NOT_NEEDED, PARENT_REVOKED, parent_failed
from celeriac.states import State

SUCCESS, FAILURE, JOIN, STAND_IN = 1, 2, 3, 4

_PARENTS_AT_ONCE: Final = 500
_KEPT_AT_ONCE: Final = 10_000  # records that are kept for a failed task


def kind_of(after: After) -> int:
    """Return the number that stands for what *after* waits for."""
    if after.join:
        return JOIN
    return FAILURE if after.on == "failure" else SUCCESS


class _Link(NamedTuple):
    """A parent that has ended and one that waits, as `sql/follow_links.sql` gives them."""

    parent: int
    parent_state: int
    child: int
    child_state: int
    kind: int
    open: int


class Following:
    """Tells dependants what has become of their parents, within one transaction."""

    def __init__(self, transaction: Transaction, now: float) -> None:
        self._transaction = transaction
        self._now = now
        self._lines = Lines(transaction, now)
        self._open: dict[int, int] = {}  # by seq, how many of its parents have not succeeded yet
        self._moved: set[int] = set()

    def tell(self, limit: int) -> int:
        """Tell up to *limit* dependants, those first that an earlier step left; return how many."""
        count = self._tell_left(limit)
        todo = deque(self._take_ended())
        while todo and count < limit:
            parents = [todo.popleft() for _ in range(min(len(todo), _PARENTS_AT_ONCE))]
            rows = self._transaction.all("follow_links", as_json(parents), limit - count)
            links = [_Link(*row) for row in rows]
            self.hear_all(links)
            count += len(links)
            if count >= limit:
                last = links[-1]
                self._leave(last.parent, last.child)
                for parent in parents[parents.index(last.parent) + 1 :]:
                    self._leave(parent, 0)
            todo += self._take_ended()
        for parent in todo:
            self._leave(parent, 0)
        self._write_open()
        return count

    def hear_all(self, links: Iterable[_Link]) -> None:
        """Let tasks know that parents of theirs had ended before they came."""
        for link in links:
            self._hear(link)

    def _tell_left(self, limit: int) -> int:
        count = 0
        for number, parent, told in self._transaction.all("follow_left", limit):
            rows = self._transaction.all("follow_rest", parent, told, limit - count)
            self.hear_all(_Link(*row) for row in rows)
            count += len(rows)
            if count >= limit:
                self._transaction.run("follow_told", rows[-1][2] if rows else told, number)
                break
            self._transaction.run("follow_done", number)
        return count

    def _take_ended(self) -> list[int]:
        """Return whose end nobody was told of yet, of those that somebody may wait for."""
        ended, self._transaction.ended = self._transaction.ended, []
        if not ended:
            return []
        self._free(ended)
        waited_for = set(self._transaction.column("follow_parents", as_json(ended)))
        return [seq for seq in ended if seq in waited_for]

    def _leave(self, parent: int, told: int) -> None:
        self._transaction.run("follow_leave", parent, told)

    # --- one dependant ------------------------------------------------------------------------------

    def _hear(self, link: _Link) -> None:
        if link.child_state != State.WAITING or link.child in self._moved:
            return
        state = link.parent_state
        if link.kind == STAND_IN:
            if self._transaction.value("follow_stands", link.child) != link.parent:
                return  # what it waited for before was requeued
            self._finish(link.child, State(state), self._transaction.value("follow_body", link.parent))
        elif link.kind == FAILURE:
            if state == State.FAILED:
                self.release(link.child)
            else:
                self._finish(link.child, State.CANCELLED, NOT_NEEDED)
        elif state == State.SUCCEEDED:
            left = self._open[link.child] = self._open.get(link.child, link.open) - 1
            if left == 0:
                self.release(link.child)
        elif state == State.FAILED:
            parent, error = self._transaction.one("follow_error", link.parent) or ("", b"")
            self._finish(link.child, State.FAILED, parent_failed(parent, error))
        else:
            self._finish(link.child, State.CANCELLED, PARENT_REVOKED)

    def release(self, seq: int) -> None:
        """Let a task go that waits for nothing more."""
        row = self._transaction.one("follow_child", seq)
        if row is None:
            return
        kind, queue, priority, eta, countdown, lane = row
        self._moved.add(seq)
        if kind == JOIN:
            self._finish(seq, State.SUCCEEDED, b"")
            return
        due = max(eta or 0.0, self._now + (countdown or 0.0))
        if due > self._now:
            moves.schedule(self._transaction, seq, queue, due)
            return
        self._transaction.run("promote", self._lines.join_tail(seq, queue, priority, lane), seq)

    def _finish(self, seq: int, state: State, body: bytes) -> None:
        self._moved.add(seq)
        moves.finish(self._transaction, [seq], state, body, self._now)

    def _write_open(self) -> None:
        self._transaction.many("follow_open", [(count, seq) for seq, count in self._open.items()])

    # --- what is needed -------------------------------------------------------------------------------

    def _free(self, ended: Sequence[int]) -> None:
        """Note that these need their parents' results no more; a join does as long as somebody needs its.

        What failed ones were given is kept as long as them: they may be requeued.
        """
        todo = list(ended)
        while todo:
            freed = self._transaction.all("follow_freed", as_json(todo))
            self._transaction.many("follow_free", [(seq,) for seq, *_ in freed])
            if failed := [seq for seq, _, is_dead in freed if is_dead]:
                self._transaction.run("follow_keep", as_json(failed), _KEPT_AT_ONCE)
            joined = [seq for seq, joins, _ in freed if joins]
            todo = self._transaction.column("follow_joins", as_json(joined)) if joined else []


def follow(transaction: Transaction, now: float, limit: int = TEND_LIMIT) -> int:
    """Tell up to *limit* dependants what has become of their parents; return how many."""
    if not (transaction.ended or transaction.value("follow_any")):
        return 0
    if not transaction.value("follow_linked"):
        transaction.ended = []
        return 0
    return Following(transaction, now).tell(limit)


# --- sending ----------------------------------------------------------------------------------------


def link(transaction: Transaction, messages: Sequence[Message], seqs: dict[str, int]) -> None:
    """Keep what those of *messages* wait for that wait for something; *seqs* are those of the whole batch.

    Raises:
        UnknownTask: for a task that there is not.
    """
    known = {**_known(transaction, messages, seqs), **seqs}
    joins = {message.id for message in messages if message.after is not None and message.after.join}
    waits, links = [], []
    for message in messages:
        after = message.after
        if after is None:
            continue
        check_parents(message, known)
        seq = seqs[message.id]
        of_joins = sum(parent in joins or parent not in seqs for parent in after.parents)
        waits.append((seq, kind_of(after), len(after.parents), of_joins, after.countdown))
        links += [(known[parent], seq, place) for place, parent in enumerate(after.parents)]
    transaction.insert("send_wait", waits)
    if links:
        transaction.insert("send_link", links)


def _known(transaction: Transaction, messages: Sequence[Message], seqs: dict[str, int]) -> dict[str, int]:
    parents = {parent for message in messages if message.after for parent in message.after.parents}
    older = parents - seqs.keys()
    return dict(transaction.all("send_parents", as_json(older))) if older else {}


def hear_again(transaction: Transaction, seq: int, parents: Iterable[int], now: float) -> None:
    """Let a task know which of these new *parents* have ended already."""
    rows = transaction.all("send_ended", as_json([seq]))
    wanted = set(parents)
    following = Following(transaction, now)
    following.hear_all(_Link(*row) for row in rows if row[0] in wanted)
    following.tell(TEND_LIMIT)


def hear_of_parents(
    transaction: Transaction, messages: Sequence[Message], seqs: dict[str, int], now: float
) -> None:
    """Let new tasks know of what had ended, and release those that wait for nothing."""
    following = Following(transaction, now)
    waiting = [message for message in messages if message.after is not None]
    older = any(parent not in seqs for message in waiting for parent in message.after.parents)  # type: ignore[union-attr]
    ended: dict[int, list[_Link]] = {}
    if older:
        for row in transaction.all("send_ended", as_json([seqs[message.id] for message in waiting])):
            ended.setdefault(row[2], []).append(_Link(*row))
    for message in waiting:
        seq = seqs[message.id]
        if not message.after.parents:  # type: ignore[union-attr]
            following.release(seq)
        following.hear_all(ended.get(seq, ()))
    following.tell(TEND_LIMIT)
