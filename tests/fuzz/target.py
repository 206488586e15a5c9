"""What a reader is to the fuzzer."""

import random
from collections.abc import Callable
from typing import NamedTuple

from celeriac.errors import DecodeError

NOW = 1_700_000_000.0


class Target(NamedTuple):
    """One reader.

    Attributes:
        samples: good bytes. read: reads bad ones. allowed: the errors that it may raise.
    """

    name: str
    samples: list[bytes]
    read: Callable[[bytes, random.Random], object]
    allowed: tuple[type[BaseException], ...] = (DecodeError,)
