"""What a store on this host leaves on the disk is its user's own, whatever the umask."""

import os
import stat
from pathlib import Path

import pytest

from celeriac import Celeriac
from celeriac.brokers.alive import temporary


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077, 0o277, 0o777], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_file_companions_and_run_directory_are_the_users_own(tmp_path, umask):
    path = tmp_path / "shop.db"
    with Celeriac("shop", broker=f"sqlite:///{path}", set_as_current=False) as app, app.embedded():
        app.send_task("nobody.knows")
        files = {each.name: rights(each) for each in tmp_path.iterdir()}
        inside = [each.name for each in (tmp_path / "shop.db-run").iterdir()]

    assert files == {"shop.db": 0o600, "shop.db-wal": 0o600, "shop.db-shm": 0o600, "shop.db-run": 0o700}
    assert any(name.endswith(".lock") for name in inside)


def test_a_directory_among_the_temporary_files_is_the_users_own(tmp_path, umask, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    deep = tmp_path.joinpath(*["long" * 10] * 3)
    before = os.umask(0o022)
    deep.mkdir(parents=True)
    os.umask(before)
    with Celeriac("shop", broker=f"sqlite:///{deep}/shop.db", set_as_current=False) as app, app.embedded():
        sockets = temporary(os.fsencode(deep / "shop.db-run"))

        assert rights(sockets) == 0o700


def test_a_file_that_was_there_keeps_the_rights_that_its_owner_gave_it(tmp_path):
    path = tmp_path / "shop.db"
    path.touch()
    path.chmod(0o640)
    with Celeriac("shop", broker=f"sqlite:///{path}", set_as_current=False) as app:
        app.broker.open()

        assert rights(path) == 0o640
