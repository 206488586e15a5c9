"""What a `sqlite://` URL may say, and where a file may be."""

from pathlib import Path

import pytest

from celeriac.brokers import connect
from celeriac.brokers.sqlite import address
from celeriac.errors import BrokerUnavailable, ConfigurationError


def test_three_slashes_name_a_file_in_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert address.parse("sqlite:///shop.db").path == tmp_path / "shop.db"


def test_four_slashes_name_a_file_from_the_root():
    assert address.parse("sqlite:////var/lib/shop.db").path == Path("/var/lib/shop.db")


def test_a_relative_file_stays_where_it_was_when_the_current_directory_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broker = connect("sqlite:///shop.db")
    (tmp_path / "elsewhere").mkdir()

    monkeypatch.chdir(tmp_path / "elsewhere")
    broker.open()
    broker.close()

    assert (tmp_path / "shop.db").exists()


def test_a_percent_sign_escapes_what_a_url_cannot_hold():
    assert address.parse("sqlite:////srv/my%20shop%3F.db").path == Path("/srv/my shop?.db")


@pytest.mark.parametrize("value", ["normal", "full"])
def test_the_url_says_how_carefully_to_write(value):
    assert address.parse(f"sqlite:///shop.db?synchronous={value}").synchronous == value


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite://host/shop.db",
        "sqlite:///:memory:",
        "sqlite:shop.db",
    ],
)
def test_a_url_that_names_no_file_is_refused(url):
    with pytest.raises(ConfigurationError, match="names no SQLite file"):
        address.parse(url)


def test_an_unknown_option_is_refused_and_the_known_one_named():
    with pytest.raises(ConfigurationError, match=r"'journal'.*'synchronous'"):
        connect("sqlite:///shop.db?journal=wal")


def test_an_unknown_value_is_refused_and_the_known_ones_named():
    with pytest.raises(ConfigurationError, match=r"'off'.*'normal' or 'full'"):
        connect("sqlite:///shop.db?synchronous=off")


def test_full_synchronisation_reaches_the_database(tmp_path):
    broker = connect(f"sqlite:///{tmp_path}/shop.db?synchronous=full")

    [level] = broker._store.read(
        lambda transaction: transaction._cursor.execute("pragma synchronous").fetchone()
    )
    broker.close()

    assert level == 2


def test_a_missing_directory_is_named(tmp_path):
    broker = connect(f"sqlite:///{tmp_path}/missing/shop.db")

    with pytest.raises(BrokerUnavailable, match=f"{tmp_path}/missing .*does not exist"):
        broker.open()


def test_a_directory_cannot_be_the_file(tmp_path):
    broker = connect(f"sqlite:///{tmp_path}")

    with pytest.raises(BrokerUnavailable, match="is a directory"):
        broker.open()


# --- network file systems -------------------------------------------------------------------------

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/export /srv nfs4 rw 0 0
/dev/vdb /srv/local xfs rw 0 0
//server/share /mnt/with\\040space cifs rw 0 0
host: /home/me/remote fuse.sshfs rw 0 0
share /mnt/vm 9p rw 0 0
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/", "ext4"),
        ("/tmp/x", "tmpfs"),
        ("/tmpx", "ext4"),
        ("/srv/shop", "nfs4"),
        ("/srv/local/shop", "xfs"),
        ("/mnt/with space/shop", "cifs"),
    ],
)
def test_a_directory_is_on_the_innermost_mount(directory, kind):
    assert address._file_system(MOUNTS, directory) == kind


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "afs", "smb3"])
def test_a_network_file_system_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(address, "file_system", lambda directory: kind)

    with pytest.raises(BrokerUnavailable, match=f"network file system \\({kind}\\).*local disk"):
        connect(f"sqlite:///{tmp_path}/shop.db").open()


@pytest.mark.parametrize("kind", ["ext4", "9p", "virtiofs", "overlay", "fuse.portal", ""])
def test_a_local_file_system_is_not_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(address, "file_system", lambda directory: kind)
    broker = connect(f"sqlite:///{tmp_path}/shop.db")

    broker.open()
    broker.close()
