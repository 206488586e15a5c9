"""Transactions on the file: begun fairly, ended whole, with bells rung after the commit. Knows no verb."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from celeriac.brokers.sqlite import faults
from celeriac.brokers.sqlite.address import Address
from celeriac.brokers.sqlite.bell import NEWS, WORK, Ringer
from celeriac.brokers.sqlite.patience import patiently, while_true
from celeriac.brokers.sqlite.place import Place, Seat, Turnstile
from celeriac.brokers.sqlite.pool import Pool
from celeriac.brokers.sqlite.transaction import Ring, Transaction, from_json
from celeriac.clock import SystemClock
from celeriac.errors import OperationalError

T = TypeVar("T")
P = ParamSpec("P")

_LONG_LOG: Final = 4 * 1024 * 1024
_ENDLESS_LOG: Final = 64 * 1024 * 1024
_MEASURE_EVERY: Final = 1.0
_TRUNCATE_WITHIN: Final = 0.02
_LONGEST_TURN: Final = 1.0  # seconds for which one in the turnstile is waited for: it may be frozen
_COURTESY: Final = 0.005  # seconds for which a worker lets others go first: it must get on in any case

_all: weakref.WeakSet[Store] = weakref.WeakSet()


class Store:
    """The file, as the verbs use it."""

    def __init__(self, address: Address, deadline: float) -> None:
        self.path = address.path
        self.place = Place(address.path)
        self._pool = Pool(address, deadline)
        self._deadline = deadline
        self._turnstile = Turnstile(self.place)
        self._ringer = Ringer(self.place)
        self._waiting = threading.RLock()  # the turnstile among the threads of this process
        self._writing = threading.RLock()
        self._told = 0
        self._measured = 0.0
        _all.add(self)

    def open(self) -> None:
        """Make sure that the file is there and has its layout."""
        self.read(Transaction.value, "news_dropped")

    def close(self) -> None:
        """Let go of everything; the next verb opens again."""
        self._pool.forget_all()
        self._turnstile.close()
        self._ringer.close()
        self.place.tidy()

    def tidy(self, *, listened: bool) -> None:
        """Forget listeners that are gone, where there are any, and keep the write-ahead log short."""
        for address in self.read(Transaction.column, "listeners") if listened else ():
            if not self._ringer.reaches(address):
                self.write(Transaction.run, "listener_drop", address)
                self.place.bell(address).unlink(missing_ok=True)
        if self._log_is_longer_than(_LONG_LOG):
            self._checkpoint("passive", SystemClock.monotonic())

    def _log_is_longer_than(self, size: int) -> bool:
        try:
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size > size
        except OSError:
            return False

    def _checkpoint(self, how: str, until: float) -> None:
        """Move what the write-ahead log holds into the file; give up at *until* if others are in the way."""
        connection = self._pool.take(SystemClock.monotonic())
        pragma = f"pragma wal_checkpoint({how})"
        try:
            patiently(lambda: connection.quick.execute(pragma).fetchone()[0] == 0 or None, until, self.path)
        except (sqlite3.Error, OperationalError) as error:  # what is broken will show elsewhere
            self._pool.undo(connection, error)
            return
        self._pool.give(connection)

    def _truncate_log(self) -> None:
        """Make the write-ahead log short again; SQLite cannot find the time for it if writers never pause."""
        moment = SystemClock.monotonic()
        try:
            self._take_turn(moment + self._deadline)
            try:
                self._pass_turnstile(moment)
                self._checkpoint("truncate", SystemClock.monotonic() + _TRUNCATE_WITHIN)
            finally:
                self._turnstile.leave()
        except OperationalError:  # too busy for that
            return
        finally:
            _let_go(self._writing)

    def after_fork(self) -> None:
        """Share nothing with the parent process."""
        self._waiting, self._writing = threading.RLock(), threading.RLock()
        self._pool.after_fork()
        self._turnstile.close()
        self._ringer.close()
        self._ringer = Ringer(self.place)  # with a lock that nobody holds

    def read(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* found in one snapshot of the file."""
        try:
            return self._read(work, *args, **kwargs)
        except sqlite3.Error as error:
            return self._once_more(error, lambda: self._read(work, *args, **kwargs))

    def write(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* answered once all that it changed is durable; an error undoes everything."""
        try:
            return self._write(work, *args, **kwargs)
        except sqlite3.Error as error:
            return self._once_more(error, lambda: self._write(work, *args, **kwargs))

    def write_after_others(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do as `write`, for who writes again and again: let those who wait write first."""
        while_true(self._turnstile.others_wait, _COURTESY)
        return self.write(work, *args, **kwargs)

    def _once_more(self, error: sqlite3.Error, attempt: Callable[[], T]) -> T:
        """Try again what was undone by *error*, if that can help."""
        try:
            if faults.is_busy(error):
                until = SystemClock.monotonic() + self._deadline
                return patiently(lambda: (attempt(),), until, self.path)[0]
            if faults.is_undecodable(error) and not self._pool.lenient:
                self._pool.lenient = True
                self._pool.forget_all()
                return attempt()
        except sqlite3.Error as again:
            raise faults.translated(again, self.path) from again
        raise faults.translated(error, self.path) from error

    def _read(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        connection = self._pool.take(SystemClock.monotonic())
        try:
            connection.quick.execute("begin")
            answer = work(Transaction(connection.quick), *args, **kwargs)
            connection.quick.execute("commit")
        except BaseException as error:
            self._pool.undo(connection, error)
            raise
        self._pool.give(connection)
        return answer

    def _write(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        moment = SystemClock.monotonic()
        try:  # all of it: a soft time limit may strike a task's thread anywhere in here
            self._take_turn(moment + self._deadline)
            connection = self._pool.take(moment)
            try:
                self._begin(connection.quick, moment)
                transaction = Transaction(connection.quick)
                answer = work(transaction, *args, **kwargs)
                if transaction.lanes is not None:
                    transaction.lanes.close()
                self._choose_whom_to_ring(transaction)
                connection.quick.execute("commit")
            except BaseException as error:
                self._pool.undo(connection, error)
                raise
            self._pool.give(connection)
        finally:
            _let_go(self._writing)
        if transaction.rings:
            self._ring(transaction.rings)
        if (
            moment - self._measured > _MEASURE_EVERY
        ):  # writers that never pause keep SQLite from shortening it
            self._measured = moment
            if self._log_is_longer_than(_ENDLESS_LOG):
                self._truncate_log()
        return answer

    # --- turns ------------------------------------------------------------------------------------

    def _take_turn(self, until: float) -> None:
        """Let one thread of this process write, in turn."""
        try:
            self._acquire(self._waiting, until)
            self._acquire(self._writing, until)
        finally:
            _let_go(self._waiting)

    def _acquire(self, lock: Any, until: float) -> None:
        """Take *lock*, at once where nobody has it."""
        if lock.acquire(blocking=False):
            return
        if not lock.acquire(timeout=max(0.0, until - SystemClock.monotonic())):
            raise faults.busy(self.path)

    def _pass_turnstile(self, moment: float) -> None:
        if not self._turnstile.enter(moment):
            with self._turnstile.waiting_room() as seat:
                while_true(lambda: not self._came_in(moment, seat), _LONGEST_TURN)
                if not self._turnstile.enter(moment):
                    self._turnstile.pass_by(moment)

    def _came_in(self, moment: float, seat: Seat) -> bool:
        seat.take()
        return self._turnstile.enter(moment)

    def _begin(self, cursor: sqlite3.Cursor, moment: float) -> None:
        """Begin to write, once those who came before have begun."""
        try:
            self._pass_turnstile(moment)
            cursor.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if not faults.is_busy(error):
                raise
            patiently(lambda: cursor.execute("begin immediate"), moment + self._deadline, self.path)
        finally:
            self._turnstile.leave()

    # --- bells ------------------------------------------------------------------------------------

    def _choose_whom_to_ring(self, transaction: Transaction) -> None:
        if transaction.queued:
            wanted = {queue: count for queue, count in transaction.queued.items() if count > 0}
            self._choose_workers(transaction, wanted)
        if transaction.aside:
            self._choose_knowing(transaction, transaction.aside)
        if transaction.news:
            listeners = transaction.all("listeners")
            if listeners and (newest := listeners[0][1] or 0) > self._told:
                self._told = newest
                transaction.rings.extend(Ring(address, NEWS) for address, _ in listeners)

    def _choose_workers(self, transaction: Transaction, wanted: dict[str, int]) -> None:
        hungry = transaction.all("bell_hungry") if wanted else ()
        for paused in transaction.column("paused") if hungry else ():
            wanted.pop(paused, None)
        for worker, queues, address in hungry:
            queue = next((name for name in from_json(queues) if wanted.get(name, 0) > 0), None)
            if queue is not None:
                wanted[queue] -= 1
                transaction.run("bell_rung", worker)
                transaction.rings.append(Ring(address, WORK, queue))

    def _choose_knowing(self, transaction: Transaction, aside: dict[tuple[str, str], int]) -> None:
        paused = set(transaction.column("paused"))
        aside = {key: count for key, count in aside.items() if key[0] not in paused}
        for worker, *told, address in transaction.all("bell_knowing"):
            queues, names = map(from_json, told)
            known = (
                key for key, count in aside.items() if count > 0 and key[0] in queues and key[1] in names
            )
            if (key := next(known, None)) is not None:
                aside[key] -= 1
                transaction.run("bell_rung", worker)
                transaction.rings.append(Ring(address, WORK, *key))

    def _ring(self, rings: Sequence[Ring]) -> None:
        """Ring; where a worker's bell is gone, another's instead. What was committed stands in any case."""
        gone = [ring for ring in rings if not self._ringer.ring(ring.address, ring.what)]
        if lost := [ring for ring in gone if ring.what == WORK]:
            with contextlib.suppress(OperationalError):
                self.write(_ring_others, lost)


def _let_go(lock: Any) -> None:
    """Release *lock* if this thread holds it."""
    try:
        lock.release()
    except RuntimeError:
        return


def _ring_others(transaction: Transaction, lost: Sequence[Ring]) -> None:
    for ring in lost:
        transaction.run("bell_lost", ring.address)
        if ring.name is None:
            transaction.ready(ring.queue)
        else:
            transaction.parked(ring.queue, ring.name)


def _after_fork() -> None:
    for store in list(_all):
        store.after_fork()


os.register_at_fork(after_in_child=_after_fork)
