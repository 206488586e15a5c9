"""A verb has the same name everywhere: in the contract, in its page, and in its file of tests."""

import re

import pytest

from celeriac.broker import Broker
from tools.programs import ROOT

TESTS = ROOT / "src" / "celeriac" / "testing" / "contract"
PAGE = (ROOT / "docs" / "reference" / "broker.md").read_text()
VERBS = sorted(Broker.__abstractmethods__)
TESTED_WITH = {
    "advance": "schedules",
    "next_schedules": "schedules",
    "close": "open",
    "resume": "pause",
    "ping": "open",
    "enlist": "workers",
    "parents": "waiting",
    "dependants": "waiting",
    "inputs": "waiting",
    "count": "statistics",
    "activity": "note",
    "read_log": "write_log",
    "counted": "statistics",
}


def test_the_page_has_a_section_for_every_verb_and_no_other():
    sections = set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE))

    assert sections == {*VERBS, "liveness"}
    assert set(re.findall(r"\(#(\w+)\)", PAGE)) == sections


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_tests(verb):
    assert (TESTS / f"test_{TESTED_WITH.get(verb, verb)}.py").exists()
