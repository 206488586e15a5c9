"""Gives broken bytes to readers, and watches what else they do."""

import builtins
import importlib
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fuzz.mutation import mutated
from tests.fuzz.target import Target

SLOW = 1.0  # seconds of processor time for one input of 64 KiB


class Broken(AssertionError):
    """A reader did what it must not; the message has the bytes."""


def feed(target: Target, count: int, seed: int) -> int:
    """Give *count* inputs to *target*; return how many it took for good.

    Raises:
        Broken: it raised another error than it may, imported something, or took too long.
    """
    chance, taken = random.Random(f"{seed} {target.name}"), 0
    for sample in target.samples:
        _read(target, sample, chance)
    before = set(sys.modules)
    with imports_watched() as imported:
        for sample in target.samples:
            _read(target, sample, chance)
        usual = set(imported)
        for _ in range(count):
            taken += _read(target, mutated(chance, target.samples), chance)
    strange = {name for name in {*imported} - usual | set(sys.modules) - before if not _is_table(name)}
    if strange:
        raise Broken(f"{target.name} has imported {sorted(strange)}")
    return taken


def _read(target: Target, data: bytes, chance: random.Random) -> bool:
    began = time.process_time()
    try:
        target.read(data, chance)
    except target.allowed:
        return False
    except BaseException as error:
        raise Broken(f"{target.name} raises {error!r:.300} for {data!r:.2000}") from error
    finally:
        if (took := time.process_time() - began) > SLOW:
            raise Broken(f"{target.name} took {took:.1f} s for {data!r:.2000}")
    return True


def _is_table(name: str) -> bool:
    """Say whether this is data about time zones, which is a package where the system has none."""
    return name.partition(".")[0] in ("tzdata", "importlib", "zoneinfo")


@contextmanager
def imports_watched() -> Iterator[list[str]]:
    """Note the name of everything that is imported, in whatever way."""
    names: list[str] = []
    import_, import_module = builtins.__import__, importlib.import_module

    def watched(name: str, *rest: Any, **more: Any) -> Any:
        names.append(name)
        return import_(name, *rest, **more)

    def watched_module(name: str, *rest: Any) -> Any:
        names.append(name)
        return import_module(name, *rest)

    builtins.__import__, importlib.import_module = watched, watched_module
    try:
        yield names
    finally:
        builtins.__import__, importlib.import_module = import_, import_module
