"""``python -m tools.scripts``: check the types of all browser code under src/, by its JSDoc comments.

TypeScript comes from npm into `.tools/`, once, in a version fixed here; nothing of it is in the product.
Where npm's registry cannot be reached this is said, and is an error only where CI is set.
"""

import os
import subprocess
import sys
from pathlib import Path

from tools.programs import ROOT, TOOLS, node_program

TYPESCRIPT = "5.9.3"
FOLDER = TOOLS / f"typescript-{TYPESCRIPT}"
COMPILER = FOLDER / "node_modules" / "typescript" / "lib" / "tsc.js"
RULES = ["--checkJs", "--allowJs", "--noEmit", "--strict", "--target", "es2022", "--module", "esnext"]
RULES += ["--lib", "es2022,dom,dom.iterable"]


def main() -> int:
    """Check every script; return the exit code."""
    scripts = sorted(str(path) for path in (ROOT / "src").rglob("*.js"))
    if not COMPILER.exists() and not get():
        print(
            f"the types of {len(scripts)} scripts were not checked: npm has not given TypeScript", flush=True
        )
        return 1 if os.environ.get("CI") else 0
    checked = run([node_program("node"), str(COMPILER), *RULES, *scripts])
    if checked.returncode == 0:
        print(f"No wrong types in {len(scripts)} scripts", flush=True)
    return checked.returncode


def get() -> bool:
    """Get the compiler; return whether it is here."""
    options = ["--prefix", str(FOLDER), "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        run([node_program("npm"), "install", *options, f"typescript@{TYPESCRIPT}"])
    except OSError as error:
        print(f"npm cannot be started: {error}", file=sys.stderr)
    return COMPILER.exists()


def run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run with the Node.js of this environment before the machine's."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path})


if __name__ == "__main__":
    sys.exit(main())
