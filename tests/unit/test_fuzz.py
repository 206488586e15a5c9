"""The short form of `python -m tests.fuzz`."""

import pytest

from tests.fuzz.drive import Broken, feed
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

INPUTS = 1_000


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_broken_bytes_raise_what_is_promised_and_import_nothing(target):
    feed(target, INPUTS, seed=0)


def test_the_watch_notices_an_import_by_a_name_that_was_stored():
    def careless(data: bytes, _) -> None:
        if b"bait" in data:
            __import__("wave")

    with pytest.raises(Broken, match="has imported"):
        feed(Target("careless", [b'"x"'], careless), 2_000, seed=0)


def test_the_watch_notices_an_error_that_is_not_promised():
    with pytest.raises(Broken, match="raises"):
        feed(Target("careless", [b"1"], lambda data, _: int(data)), 100, seed=0)
