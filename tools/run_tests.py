"""``python -m tools.run_tests [-n N] [pytest arguments]``: the whole suite in two runs, and one summary.

Most tests run side by side. Those marked ``serial`` measure time or fill the machine, so they run afterwards,
alone. Exits with 0 only when both runs passed and at least one test ran.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

NO_TESTS = 5
OUTCOMES = ("failed", "passed", "skipped", "xfailed", "xpassed", "error")


def main() -> int:
    """Run both parts, print the sum, return the exit code."""
    options, rest = _parser().parse_known_args()
    started = time.monotonic()
    first, counts = _pytest("-m", "not serial", "-n", str(options.n), "--dist", "worksteal", *rest)
    second, more = _pytest("-m", "serial", "--no-header", *rest)
    counts.update(more)
    _print_summary(counts, seconds=time.monotonic() - started)
    return _worst(first, second)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, usage="python -m tools.run_tests [-n N] [...]")
    parser.add_argument("-n", type=int, default=2, help="processes for the tests that may run side by side")
    return parser


def _pytest(*arguments: str) -> tuple[int, Counter[str]]:
    """Run pytest once; return its exit code and how many tests had which outcome."""
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder, "tally.json")
        environment = {**os.environ, "CELERIAC_TALLY": str(tally)}
        # Thousands of processes begin here; without byte code on disk each would compile the whole package.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        code = subprocess.call([sys.executable, "-m", "pytest", *arguments], env=environment)
        return code, Counter(json.loads(tally.read_text()) if tally.exists() else {})


def _worst(first: int, second: int) -> int:
    """An empty half is fine, two empty halves are not."""
    if first == second == NO_TESTS:
        return NO_TESTS
    return next((code for code in (first, second) if code not in (0, NO_TESTS)), 0)


def _print_summary(counts: Counter[str], *, seconds: float) -> None:
    """Write the sum in the form that pytest itself uses, so that people and programs can read it."""
    said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
    print(f"\nBoth runs together:\n==== {said or 'no tests ran'} in {seconds:.2f}s ====", flush=True)


if __name__ == "__main__":
    sys.exit(main())
