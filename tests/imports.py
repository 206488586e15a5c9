"""Packages that are not there, for a while."""

import sys

import pytest


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let *package*, and all in it, be not installed until the end of the test."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
