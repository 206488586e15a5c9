"""Lock files as proofs: who is taken for dead, who never, and what is left behind."""

import fcntl
import os
import signal

import pytest

from celeriac.brokers.alive import Directory, Proofs, boot_id, temporary
from celeriac.errors import StoreReadOnly

ODD = "host/with spaces." + "x" * 60  # its file needs another name


@pytest.fixture
def directory(tmp_path):
    return Directory(tmp_path / "locks")


@pytest.fixture
def proofs(directory):
    return Proofs(directory)


def a_dead(worker, directory):
    """Leave the lock file of a worker whose process has ended."""
    dying = Proofs(directory)
    dying.hold(worker)
    dying.abandon()


def test_without_a_directory_nobody_is_dead(proofs, directory):
    assert proofs.all_dead() == []
    assert not directory.locks.exists()


@pytest.mark.parametrize("worker", ["plain", ODD])
def test_a_free_lock_file_says_whose_it_was(proofs, directory, worker):
    a_dead(worker, directory)

    assert proofs.all_dead() == [worker]
    assert proofs.dead([worker, "unheard-of"]) == [worker]


def test_a_lock_that_is_held_is_no_death_here_or_elsewhere(proofs, directory):
    proofs.hold("alive")

    assert proofs.all_dead() == Proofs(directory).all_dead() == []
    assert Proofs(directory).dead(["alive"]) == []

    proofs.drop_all()


def test_who_looks_at_the_same_moment_is_not_taken_for_alive(proofs, directory):
    a_dead("dead", directory)
    with directory.lock("dead").open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)

        assert proofs.all_dead() == proofs.dead(["dead"]) == ["dead"]


@pytest.mark.parametrize(("name", "text"), [("strange.lock", "dead"), ("dead.txt", "dead"), (".1f", "dead")])
def test_a_file_that_is_no_workers_lock_proves_nothing(proofs, directory, name, text):
    directory.make()
    (directory.locks / name).write_text(text)

    assert proofs.all_dead() == []


def test_the_dead_are_forgotten_with_their_files_and_the_directory_with_the_last(proofs, directory):
    a_dead("dead", directory)

    proofs.drop(["dead", "unheard-of"])
    directory.tidy()

    assert proofs.all_dead() == []
    assert not directory.locks.exists()


def test_a_forked_child_does_not_keep_its_parents_locks(proofs, directory):
    proofs.hold("parent")
    ear, mouth = os.pipe()
    child = os.fork()
    if not child:
        os.write(mouth, b"!")
        signal.pause()
    os.read(ear, 1)

    proofs.abandon()  # the parent dies
    found = proofs.all_dead()

    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ear)
    os.close(mouth)
    assert found == ["parent"]


def test_others_may_not_use_the_directory(directory, proofs):
    proofs.hold("worker")
    assert directory.locks.stat().st_mode & 0o777 == 0o700
    proofs.drop_all()

    directory.locks.chmod(0o755)

    with pytest.raises(StoreReadOnly, match="only this user"):
        proofs.hold("worker")


def test_the_temporary_directory_has_one_place_for_each_thing(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert temporary(b"one").parent == tmp_path
    assert temporary(b"one") == temporary(b"one") != temporary(b"other")


def test_where_nothing_can_be_written_there_is_a_path_all_the_same(monkeypatch):
    def fail():
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr("tempfile.gettempdir", fail)

    assert temporary(b"one").is_absolute()


def test_this_kernel_has_one_name():
    assert boot_id() == boot_id() != ""
