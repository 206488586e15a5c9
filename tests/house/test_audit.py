"""The audit of dependencies: a vulnerability fails it, a network that is away does not."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from tools import audit

SOUND = {"name": "click", "version": "8.2.0", "vulns": []}
SKIPPED = {"name": "celeriac", "skip_reason": "distribution marked as editable"}
HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["2.0"], "aliases": ["CVE-2026-1"]}


def test_a_known_vulnerability_fails_the_audit(capsys):
    bad = {"name": "shopware", "version": "1.9", "vulns": [HOLE]}

    assert audit.main([], lambda: [SOUND, bad, SKIPPED]) == 1

    said = capsys.readouterr()
    assert said.err == "shopware 1.9: PYSEC-2026-1, mended in 2.0\n"
    assert said.out == "2 packages audited, 1 unknown, 1 known vulnerabilities\n"


def test_without_one_it_passes():
    assert audit.main([], lambda: [SOUND, SKIPPED]) == 0


def test_an_accepted_one_passes_by_any_of_its_names(monkeypatch):
    monkeypatch.setitem(audit.ACCEPTED, "CVE-2026-1", "it needs a browser")

    assert audit.main([], lambda: [{"name": "shopware", "version": "1.9", "vulns": [HOLE]}]) == 0


def test_a_database_that_knows_none_of_the_packages_has_audited_nothing(capsys):
    assert audit.main(["--strict"], lambda: [SKIPPED]) == 1
    assert "knows none of the packages" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--strict"], 1)])
def test_a_database_that_is_away_is_a_warning(capsys, arguments, code):
    def away():
        raise audit.Unreachable("no route to host")

    assert audit.main(arguments, away) == code
    assert "nothing was audited: no route to host" in capsys.readouterr().err


@pytest.mark.parametrize("left", [None, "", "{}", "not json"])
def test_what_leaves_no_report_has_not_reached_it_whatever_it_exits_with(monkeypatch, left):
    def run(command, **_):
        if left is not None:
            path = next(word for word in command if word.startswith("--output=")).removeprefix("--output=")
            with open(path, "w") as file:  # noqa: PTH123 - as a program would
                file.write(left)
        return SimpleNamespace(returncode=1, stderr="Traceback\nConnectionError: no route to host\n")

    monkeypatch.setattr(subprocess, "run", run)

    with pytest.raises(audit.Unreachable, match="ConnectionError: no route to host"):
        audit.ask()


def test_a_report_is_read_though_the_program_fails_because_of_it(monkeypatch):
    def run(command, **_):
        path = next(word for word in command if word.startswith("--output=")).removeprefix("--output=")
        with open(path, "w") as file:  # noqa: PTH123 - as a program would
            json.dump({"dependencies": [SOUND]}, file)
        return SimpleNamespace(returncode=1, stderr="Found 1 known vulnerability in 1 package")

    monkeypatch.setattr(subprocess, "run", run)

    assert audit.ask() == [SOUND]
