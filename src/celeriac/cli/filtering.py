"""Filters on the command line: a term such as `-name:noise*` is no option."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Final

import click

from celeriac.filters import FIELDS

ALIKE: Final = 0.75  # ids may have a colon, too: `order:17` is one, `stat:failed` none
_TERM: Final = re.compile(rf"-?(?:{'|'.join(FIELDS)})[.:]", re.IGNORECASE)


class FilterCommand(click.Command):
    """A command that takes the terms of a filter as its arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the line; what begins with a blank is an argument, and a filter may begin with one."""
        return super().parse_args(
            ctx, [f" {word}" if word.startswith("-") and is_term(word) else word for word in args]
        )


def joined(words: Sequence[str]) -> str:
    """Return the filter that *words* are; a blank stands between them."""
    return " ".join(word.strip() for word in words)


def is_term(word: str) -> bool:
    """Say whether *word* is a term of a filter that names what it looks at, such as `state:failed`."""
    return _TERM.match(word.strip()) is not None


def meant_field(word: str) -> str | None:
    """Return the field that *word* may have mistyped, as `stat:failed` has; None where it may be an id."""
    name, colon, _ = word.removeprefix("-").partition(":")
    near = difflib.get_close_matches(name.lower(), FIELDS, 1, ALIKE) if colon else []
    return near[0] if near else None
