"""The directory beside the file: names that fit, rights that keep others out, and nothing left behind."""

import fcntl
import os
import tempfile
import threading
from contextlib import closing

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.sqlite import SqliteBroker, bell, store
from celeriac.brokers.sqlite.place import Place, Turnstile, file_name
from celeriac.errors import StoreReadOnly
from celeriac.message import Message
from celeriac.testing.contract.given import rings
from tests.waiting import wait_until

NOW = 1_700_000_000.0


def test_a_plain_id_is_its_own_file_name():
    assert file_name("host-12.a_b") == "host-12.a_b"


@pytest.mark.parametrize("odd", ["../../etc/passwd", "a/b", ".hidden", "a@host", "", "x" * 200, "übung"])
def test_any_other_id_gets_a_short_harmless_name(odd):
    name = file_name(odd)

    assert name.isalnum()
    assert len(name) <= 32
    assert name == file_name(odd) != file_name(odd + "x")


def test_sockets_move_to_the_temporary_directory_when_their_path_would_be_too_long(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    place = Place(deep / "shop.db")

    assert place.locks == deep / "shop.db-run"
    assert place.sockets.parent == type(tmp_path)(tempfile.gettempdir())
    assert len(os.fsencode(place.bell("x" * 32))) <= 104


def test_a_bell_rings_however_long_the_path_is(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    broker = SqliteBroker(f"sqlite:///{deep}/shop.db")
    broker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
    bell = broker.bell("w")
    broker.exchange("w", trip=1, want=1, now=NOW)

    broker.send([Message("a", "shop.add")], NOW)

    assert rings(bell)
    bell.close()
    broker.close()
    assert not Place(deep / "shop.db").sockets.exists()


def test_of_two_threads_that_ring_first_one_socket_is_kept_and_none_left_open(tmp_path, monkeypatch):
    ringer, new, made = bell.Ringer(Place(tmp_path / "shop.db")), bell._new_socket, []

    def make_one_after_another_thread_has():
        monkeypatch.setattr(bell, "_new_socket", new)
        ringer.ring("nobody", b"w")
        made.append(ringer._mouth)
        made.append(new())
        return made[-1]

    monkeypatch.setattr(bell, "_new_socket", make_one_after_another_thread_has)
    ringer.ring("nobody", b"w")

    kept, surplus = made
    assert ringer._mouth is kept
    assert surplus.fileno() == -1
    ringer.close()


def test_a_directory_that_others_may_use_is_refused(tmp_path):
    place = Place(tmp_path / "shop.db")
    place.locks.mkdir(mode=0o755)

    with pytest.raises(StoreReadOnly, match="only this user"):
        place.make()


def test_a_link_in_its_place_is_refused(tmp_path):
    place = Place(tmp_path / "shop.db")
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.locks.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreReadOnly, match="only this user"):
        place.make()


def test_sending_works_without_the_directory(tmp_path):
    (tmp_path / "shop.db-run").touch()  # a file where the directory should be
    broker = SqliteBroker(f"sqlite:///{tmp_path}/shop.db")

    assert broker.send([Message("a", "shop.add")], NOW) == 1

    broker.close()


# --- the turnstile --------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path):
    turnstiles = Turnstile(Place(tmp_path / "shop.db")), Turnstile(Place(tmp_path / "shop.db"))
    yield turnstiles
    for turnstile in turnstiles:
        turnstile.close()


def test_one_at_a_time_is_in_the_turnstile(two):
    first, second = two

    assert first.enter(0.0)
    assert not second.enter(0.0)

    first.leave()
    assert second.enter(0.0)


def test_one_that_was_frozen_in_the_turnstile_is_passed_by_for_a_while(two):
    first, second = two
    first.enter(0.0)

    second.pass_by(0.0)

    assert second.enter(5.0)
    assert not second.enter(15.0)


def test_a_write_gets_past_one_that_was_frozen_in_the_turnstile(tmp_path, monkeypatch):
    monkeypatch.setattr("celeriac.brokers.sqlite.store._LONGEST_TURN", 0.05)
    frozen = Turnstile(Place(tmp_path / "shop.db"))
    with closing(SqliteBroker(f"sqlite:///{tmp_path}/shop.db", deadline=20.0)) as broker:
        broker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
        assert frozen.enter(0.0)

        assert broker.send([Message("t1", "shop.add")], NOW) == 1
        assert broker.send([Message("t2", "shop.add")], NOW) == 1

    frozen.close()


def test_a_turnstile_finds_the_directory_that_was_made_anew(two, tmp_path):
    first, second = two
    assert first.enter(0.0)
    first.leave()
    Place(tmp_path / "shop.db").tidy()
    assert second.enter(0.0)

    assert not first.enter(2.0)


def test_who_waits_is_seen_by_others_until_the_last_one_goes(two):
    first, second = two
    first.enter(0.0)
    assert not second.others_wait()

    with first.waiting_room():
        with second.waiting_room():
            assert second.others_wait()
        assert second.others_wait()

    assert not second.others_wait()


def test_who_could_not_sit_down_because_somebody_looked_in_does_so_later(two, tmp_path):
    first, second = two
    first.enter(0.0)
    room = Place(tmp_path / "shop.db").locks / "waiting"
    with room.open("w") as looked_into:
        fcntl.flock(looked_into, fcntl.LOCK_EX)
        with first.waiting_room() as seat:
            fcntl.flock(looked_into, fcntl.LOCK_UN)
            assert not second.others_wait()

            seat.take()

            assert second.others_wait()


def test_nobody_sits_down_in_a_room_that_was_taken_away(two, tmp_path, monkeypatch):
    first, second = two
    first.enter(0.0)
    room = Place(tmp_path / "shop.db").locks / "waiting"
    opened = os.open

    def open_and_lose(path, *options):
        try:
            return opened(path, *options)
        finally:
            room.unlink(missing_ok=True)

    monkeypatch.setattr(os, "open", open_and_lose)
    with first.waiting_room() as seat:
        monkeypatch.undo()

        seat.take()

        assert second.others_wait()


def test_who_looks_into_an_empty_room_takes_it_away(two, tmp_path):
    first, second = two
    first.enter(0.0)
    room = Place(tmp_path / "shop.db").locks / "waiting"
    room.touch()

    assert not second.others_wait()

    assert not room.exists()


def test_an_empty_waiting_room_leaves_nothing_behind(two, tmp_path):
    first, _ = two
    first.enter(0.0)

    with first.waiting_room():
        pass

    assert list(Place(tmp_path / "shop.db").locks.iterdir()) == []


def test_a_waiting_room_that_cannot_be_is_empty(tmp_path):
    (tmp_path / "shop.db-run").touch()  # a file where the directory should be
    turnstile = Turnstile(Place(tmp_path / "shop.db"))

    with turnstile.waiting_room():
        assert not turnstile.others_wait()


def test_a_worker_lets_those_go_first_who_wait_to_send(two, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_COURTESY", 10.0)
    monkeypatch.setattr(store, "_LONGEST_TURN", 10.0)
    gate, seen = two[0], threading.Event()
    monkeypatch.setattr(Turnstile, "others_wait", _telling(Turnstile.others_wait, seen))
    sender, worker = (SqliteBroker(f"sqlite:///{tmp_path}/shop.db") for _ in range(2))
    worker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
    sender.send([Message("before", "shop.add")], NOW)
    gate.enter(0.0)
    sending = threading.Thread(target=sender.send, args=([Message("waited", "shop.add")], NOW))
    sending.start()
    wait_until(gate.others_wait, what="somebody who waits")
    seen.clear()
    claimed: list[str] = []
    trip = threading.Thread(
        target=lambda: claimed.extend(c.id for c in worker.exchange("w", trip=1, want=9, now=NOW).claims)
    )
    trip.start()
    assert seen.wait(10.0)  # the worker came, and looked into the waiting room

    gate.leave()
    for thread in (sending, trip):
        thread.join()

    assert claimed == ["before", "waited"]
    sender.close()
    worker.close()


def _telling(look, seen):
    """Do as *look*, and tell when its answer was yes."""

    def others_wait(self):
        answer = look(self)
        if answer:
            seen.set()
        return answer

    return others_wait


def test_a_worker_does_not_let_others_go_first_for_ever(two, tmp_path):
    worker = SqliteBroker(f"sqlite:///{tmp_path}/shop.db")
    worker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
    worker.send([Message("a", "shop.add")], NOW)

    with two[0].waiting_room():
        answer = worker.exchange("w", trip=1, want=1, now=NOW)

    assert [task.id for task in answer.claims] == ["a"]
    worker.close()
