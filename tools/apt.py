"""Debian packages: install them (as root) or unpack them beside the project (as anybody)."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

QUIET = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}


def is_here() -> bool:
    """Say whether this machine has apt-get and dpkg."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg") is not None


def may_install() -> bool:
    """Say whether packages can be installed for the whole machine: apt-get is here and we are root."""
    return is_here() and os.geteuid() == 0


def install(package: str) -> bool:
    """Install *package*; refresh the package lists and try again when that fails."""
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    return _succeeds(command) or (_succeeds(["apt-get", "update", "-q"]) and _succeeds(command))


def unpack(package: str, *, into: Path) -> bool:
    """Unpack *package*, and what it needs that the machine lacks, below *into*; needs no privileges."""
    into.mkdir(parents=True, exist_ok=True)
    missing = _would_install(package)
    with tempfile.TemporaryDirectory() as folder:
        # A package that is installed already is asked for by name; the simulation leaves it out.
        if not _succeeds(["apt-get", "download", "-q", *(missing or [package])], cwd=folder):
            return False
        archives = sorted(Path(folder).glob("*.deb"))
        return bool(archives) and all(_succeeds(["dpkg", "-x", str(deb), str(into)]) for deb in archives)


def _would_install(package: str) -> list[str]:
    """Ask apt-get, by a simulation that changes nothing, which packages *package* would bring."""
    command = ["apt-get", "install", "--simulate", "--no-install-recommends", package]
    answer = subprocess.run(command, capture_output=True, text=True, env=QUIET, check=False)
    return re.findall(r"^Inst (\S+)", answer.stdout, flags=re.MULTILINE)


def _succeeds(command: list[str], *, cwd: str | None = None) -> bool:
    return _run(command, cwd=cwd) == 0


def _run(command: list[str], *, cwd: str | None) -> int:
    """Run quietly; show the output only of a command that failed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=QUIET,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"$ {' '.join(command)}", *done.stdout.splitlines()[-5:], sep="\n  ", flush=True)
    return done.returncode
