"""What a `sqlite://` URL says, and whether the place it names can hold a store. Changes nothing on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

from celeriac.errors import BrokerUnavailable, ConfigurationError

_SCHEME: Final = "sqlite://"
_SYNCHRONOUS: Final = ("normal", "full")
_MOUNTS: Final = Path("/proc/self/mounts")

# File systems on which processes on several hosts would not share the memory that a WAL needs. (9p and
# virtiofs are not among them: they share a directory with a virtual machine.)
NETWORK: Final = frozenset(
    [
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "afpfs"),
        *("webdav", "davfs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "gfs2", "ocfs2"),
        *("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.davfs", "fuse.davfs2"),
        *("fuse.curlftpfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.glusterfs"),
    ]
)


class Address(msgspec.Struct, frozen=True):
    """Where the store is, and how carefully it writes.

    Attributes:
        path: of the file, absolute.
        synchronous: `normal`: a power cut may cost the last moments, never the file; `full`: nothing.
    """

    path: Path
    synchronous: str = "normal"


def parse(url: str) -> Address:
    """Read *url*: `sqlite:///relative.db`, `sqlite:////absolute.db`, `?synchronous=full`.

    Raises:
        ConfigurationError: it names no file, or an option that does not exist.
    """
    place, _, options = url[len(_SCHEME) :].partition("?")
    name = unquote(place.removeprefix("/"))
    named = place.startswith("/") and name not in ("", "/", ":memory:")
    if not (url.lower().startswith(_SCHEME) and named):
        raise ConfigurationError(
            f"{url!r} names no SQLite file: write sqlite:///celeriac.db (in the current directory)"
            " or sqlite:////var/lib/shop/celeriac.db; for a store in memory write memory://"
        )
    return Address(Path(os.path.abspath(name)), _synchronous(url, options))  # noqa: PTH100 - keeps symlinks


def _synchronous(url: str, options: str) -> str:
    given = dict(parse_qsl(options, keep_blank_values=True))
    unknown = sorted(given.keys() - {"synchronous"})
    if unknown:
        raise ConfigurationError(
            f"{url!r} has the unknown option {unknown[0]!r}; a SQLite store knows only 'synchronous'"
        )
    value = given.get("synchronous", "normal").lower()
    if value not in _SYNCHRONOUS:
        raise ConfigurationError(f"{url!r}: synchronous is {value!r}; it must be 'normal' or 'full'")
    return value


def check_place(path: Path) -> None:
    """Return if a store can be at *path*.

    Raises:
        BrokerUnavailable: its directory does not exist, or it is on a network file system.
    """
    if not path.parent.is_dir():
        raise BrokerUnavailable(
            f"the directory {path.parent} for {path.name} does not exist; create it or correct the URL"
        )
    kind = file_system(path.parent)
    if kind in NETWORK:
        raise BrokerUnavailable(
            f"{path} is on a network file system ({kind}), where SQLite's write-ahead log loses data;"
            " put the file on a local disk, or use redis://"
        )


def file_system(directory: Path) -> str:
    """Return the type of the file system that holds *directory*, "" where the system does not tell."""
    try:
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
    return _file_system(mounts, os.path.realpath(directory))


def _file_system(mounts: str, directory: str) -> str:
    """Find the last of the longest mount points that hold *directory*."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _unescaped(fields[1])
        inside = directory == point or directory.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def _unescaped(point: str) -> str:
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(octal, character)
    return point
