"""A worker process looks for circles of garbage less often than Python would, if its application lets it."""

from types import SimpleNamespace

import pytest

from celeriac import child


@pytest.fixture
def collector(monkeypatch):
    """Stands for `gc`; notes what it is told."""
    told = []
    known = SimpleNamespace(
        told=told,
        rules=(*child._COLLECT_BY_DEFAULT, 10),
        enabled=True,
        isenabled=lambda: known.enabled,
        get_threshold=lambda: known.rules,
        set_threshold=lambda *rules: told.append(rules),
        collect=lambda: told.append("collect"),
        freeze=lambda: told.append("freeze"),
    )
    monkeypatch.setattr(child, "gc", known)
    return known


def test_what_was_loaded_is_never_looked_at_again_and_the_rest_less_often(collector):
    child._collect_less()

    assert collector.told == ["collect", "freeze", (*child.COLLECT_AFTER, 10)]
    assert child.COLLECT_AFTER[0] > child._COLLECT_BY_DEFAULT[0]


@pytest.mark.parametrize("own", [{"enabled": False}, {"rules": (900, 5, 5)}])
def test_an_applications_own_rules_stay(collector, own):
    vars(collector).update(own)

    child._collect_less()

    assert collector.told == []
