"""An environment of its own for each peer, made when it is first needed, below `.tools/peers`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.catalogue import Peer
from benchmarks.stores import pin

ROOT: Final = Path(__file__).resolve().parents[2]
ADAPTERS: Final = Path(__file__).resolve().parent / "adapters"
HOME: Final = ROOT / ".tools" / "peers"
PATIENCE: Final = 600.0


class Missing(Exception):
    """A peer cannot be measured here; says why."""


class Environment:
    """Where one peer lives: how its programs are started."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.home = HOME / peer.adapter.removeprefix("on_")

    def provide(self) -> None:
        """Install the newest release, if what is here is not what the catalogue names.

        Raises:
            Missing: it cannot be installed here.
        """
        stamp = self.home / "installed.json"
        wanted = json.dumps(self.peer.needs)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        {"python": self._pip, "node": self._npm, "ruby": self._gem}[self.peer.runtime]()
        stamp.write_text(wanted)

    def _pip(self) -> None:
        self._make(sys.executable, "-m", "venv", str(self.home / "venv"))
        needs = list(self.peer.needs)
        if needs[0].startswith("celeriac["):  # what is measured is this checkout, as it is
            needs[:1] = ["--editable", f"{ROOT}{needs[0].removeprefix('celeriac')}"]
        self._make(self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *needs)

    def _npm(self) -> None:
        self._make("npm", "install", "--no-audit", "--no-fund", "--prefix", str(self.home), *self.peer.needs)

    def _gem(self) -> None:
        """Take what the system's packages have brought (Debian's ruby-sidekiq), else the newest release."""
        with contextlib.suppress(Missing):
            for need in self.peer.needs:
                self._make("gem", "list", "--installed", "--exact", need)
            return
        self._make(
            "gem", "install", "--no-document", "--install-dir", str(self.home / "gems"), *self.peer.needs
        )

    def _make(self, *command: str) -> None:
        if shutil.which(command[0]) is None:
            raise Missing(f"{command[0]} is not installed here")
        done = subprocess.run(
            command, cwd=self.home, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode:
            raise Missing(f"{' '.join(command[:4])} … failed: {(done.stderr or done.stdout).strip()[-300:]}")

    @property
    def python(self) -> str:
        """The environment's own interpreter."""
        return str(self.home / "venv" / "bin" / "python")

    def variables(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables of this peer's processes."""
        found = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CELERIAC_"))
        }
        found |= {"PYTHONPATH": str(ADAPTERS), "PYTHONUNBUFFERED": "1"}
        if self.peer.runtime == "node":
            found["NODE_PATH"] = str(self.home / "node_modules")
        if self.peer.runtime == "ruby":
            found["RUBY_YJIT_ENABLE"] = "1"  # a Ruby without it does not mind
            if (gems := self.home / "gems").exists():
                found |= {"GEM_HOME": str(gems), "GEM_PATH": str(gems)}
        return found | dict(extra)

    def command(self, argv: list[str]) -> list[str]:
        """Return *argv* with the environment's own programs in place of their names."""
        program, *rest = argv
        own = {"python": self.python, "node": shutil.which("node"), "ruby": shutil.which("ruby")}
        return [own.get(program) or self._script(program), *rest]

    def _script(self, name: str) -> str:
        for folder in (
            self.home / "venv" / "bin",
            self.home / "gems" / "bin",
            self.home / "node_modules" / ".bin",
        ):
            if (folder / name).exists():
                return str(folder / name)
        return name

    def ask(self, verb: str, *words: object, extra: Mapping[str, str], cpus: Iterable[int] = ()) -> Any:
        """Let the peer's driver do *verb*, and return what it printed.

        Raises:
            Missing: it failed.
        """
        driver = {"python": ["python", "driver.py", self.peer.adapter]}.get(
            self.peer.runtime, [self.peer.runtime, self.peer.adapter]
        )
        command = self.command([*driver, verb, *map(str, words)])
        done = subprocess.run(
            command,
            cwd=ADAPTERS,
            env=self.variables(extra),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            preexec_fn=lambda: pin(cpus),
        )
        if done.returncode:
            raise Missing(f"{self.peer.name}: {verb} failed: {done.stderr.strip()[-600:]}")
        return json.loads(done.stdout.splitlines()[-1])
