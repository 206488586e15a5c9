"""From good bytes to bad ones. The same seed always makes the same."""

import random
from collections.abc import Callable, Sequence

MOST = 64 * 1024  # bytes of one input
DEPTHS = (3, 100, 2_000, 20_000)
TOKENS: tuple[bytes, ...] = (
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b'"\\ud800"', b'"\\udfff\\ud800"', b'"\\u0000"'),
    *(b"NaN", b"Infinity", b"-0", b"1e400", b"-1e400", b"1e-400", b"9" * 400, b"-" + b"9" * 30, b"0.1e-307"),
    *(b"null", b"true", b"{}", b"[]", b'""', b"[[", b"]]", b"{", b"}", b",", b":", b'"', b"\\", b" "),
    *(b'"os.system"', b'"subprocess.Popen"', b'"builtins.eval"', b'"builtins.SystemExit"', b'"__class__"'),
    *(b'"antigravity.x"', b'"tests.fuzz.bait.Bait"', b'"posixpath.join"', b'"builtins.open"'),
    *(b"\xc1", b"\xc1s", b"\xc1e", b"\xc1!", b"\x93", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"),
    *(b"../../../etc/passwd", b"Etc/../../x"),
    *(b"*/0 * * * *", b"0 0 31 2 *", b"@reboot", b"1-9999999 * * * *"),
)


def mutated(chance: random.Random, samples: Sequence[bytes]) -> bytes:
    """Return one of *samples* with up to four things wrong."""
    data = chance.choice(samples)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = chance.choice(WAYS)(chance, data, samples)[:MOST]
    return data


def _flip(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    if not data:
        return chance.randbytes(4)
    position = chance.randrange(len(data))
    return data[:position] + bytes([data[position] ^ (1 << chance.randrange(8))]) + data[position + 1 :]


def _cut(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = sorted(chance.randint(0, len(data)) for _ in range(2))
    return data[:start] + data[end:]


def _end(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: chance.randint(0, len(data))]


def _repeat(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = sorted(chance.randint(0, len(data)) for _ in range(2))
    return data[:end] + data[start:end] * chance.choice((1, 2, 50)) + data[end:]


def _insert(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    position = chance.randint(0, len(data))
    return data[:position] + chance.choice(TOKENS) + data[position:]


def _put_value(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Put another value where a value is, so that the rest stays good."""
    marks = [number for number, byte in enumerate(data) if byte in b":,["]
    if not marks:
        return chance.choice(TOKENS)
    start = chance.choice(marks) + 1
    end = min((found for mark in b",]}" if (found := data.find(mark, start)) >= 0), default=len(data))
    return data[:start] + chance.choice(TOKENS) + data[end:]


def _splice(chance: random.Random, data: bytes, samples: Sequence[bytes]) -> bytes:
    other = chance.choice(samples)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def _nest(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"[[", b"]]"), (b"\x91", b"")))
    depth = chance.choice(DEPTHS) if chance.random() < 0.1 else 3
    return opening * depth + data + closing * depth


def _noise(chance: random.Random, _: bytes, __: Sequence[bytes]) -> bytes:
    return chance.randbytes(chance.randint(0, 64))


WAYS: tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...] = (
    *(_flip, _cut, _end, _repeat, _insert, _insert, _splice, _nest, _noise),
    *(_put_value, _put_value, _put_value, _put_value),
)
