"""``python -m tools.audit``: look for known vulnerabilities in all that is installed beside this Python.

It fails for a vulnerability. Where the database of them cannot be reached it warns, and fails only with
``--strict``: a network that is away says nothing about a change.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

DEADLINE = 300.0  # seconds
Report = list[dict[str, Any]]

# Known, looked at, and no danger here: id -> why.
ACCEPTED: dict[str, str] = {}


class Unreachable(Exception):
    """The database cannot be asked; the message says why."""


def ask() -> Report:
    """Ask pip-audit for all packages and their vulnerabilities.

    Raises:
        Unreachable: it gave no report.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--progress-spinner=off", "--format=json"]
        try:
            done = subprocess.run(
                [*command, "--skip-editable", "--timeout=15", f"--output={file}"],
                capture_output=True,
                text=True,
                timeout=DEADLINE,
            )
        except subprocess.TimeoutExpired as error:
            raise Unreachable(f"no answer within {DEADLINE:g} s") from error
        try:  # it writes its report in good order, or none: what it exits with does not tell the two apart
            dependencies: Report = json.loads(file.read_text("utf-8"))["dependencies"]
        except (OSError, ValueError, KeyError) as error:
            last = (done.stderr.strip().splitlines() or ["it has said nothing"])[-1]
            raise Unreachable(last[:300]) from error
        return dependencies


def findings_in(report: Report) -> list[str]:
    """Return a line for each vulnerability that nobody has accepted."""
    return [
        f"{package['name']} {package['version']}: {found['id']}, mended in {_versions(found)}"
        for package in report
        for found in package.get("vulns", ())
        if not ACCEPTED.keys() & {found["id"], *found.get("aliases", ())}
    ]


def _versions(found: dict[str, Any]) -> str:
    return ", ".join(found.get("fix_versions", ())) or "no version yet"


def main(arguments: Sequence[str], ask: Callable[[], Report] = ask) -> int:
    """Tell what was found; return the exit code."""
    try:
        report = ask()
        if not any("version" in package for package in report):  # so does an index that knows no database
            raise Unreachable("the database knows none of the packages")
    except Unreachable as reason:
        print(f"WARNING: nothing was audited: {reason}", file=sys.stderr)
        return int("--strict" in arguments)
    findings = findings_in(report)
    for line in findings:
        print(line, file=sys.stderr)
    known = sum("version" in package for package in report)
    print(f"{known} packages audited, {len(report) - known} unknown, {len(findings)} known vulnerabilities")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
