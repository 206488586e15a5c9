"""All words of the dashboard, in one place.

A page has no words of its own: it asks by a key. So another language is another dictionary, and the pseudo
language of the tests finds what was written elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from celeriac.dashboard.english import ENGLISH
from celeriac.states import PENDING


def english(key: str, /, **values: Any) -> str:
    """Return the English words for *key*, with *values* filled in.

    Those for one thing are found at `key.one`: what is counted is *m* where that is given, else *n*.
    """
    return _said(ENGLISH, key, values)


def knows(key: str) -> bool:
    """Say whether there are words for *key*."""
    return key in ENGLISH


def state_word(say: Callable[..., str], word: str, inside: str = "") -> str:
    """Return the words for a task's state; a state of the task's own is its own word.

    Args:
        inside: the store's word, where it is known: Celery's PENDING is queued, scheduled or waiting.
    """
    if word == PENDING and f"inside.{inside}" in ENGLISH:
        return say(f"inside.{inside}")
    return say(f"state.{word}") if f"state.{word}" in ENGLISH else word


def _said(words: Mapping[str, str], key: str, values: Mapping[str, Any]) -> str:
    text = words[_counted(words, key, values)]
    return text.format_map(values) if values else text


def _counted(words: Mapping[str, str], key: str, values: Mapping[str, Any]) -> str:
    is_one = str(values.get("m", values.get("n"))) == "1"
    return f"{key}.one" if is_one and f"{key}.one" in words else key


def pseudo(key: str, /, **values: Any) -> str:
    """Return the words longer, accented and in brackets, so that what is not among them stands out."""
    accented = str.maketrans("aeiouAEIOU", "áéíóúÁÉÍÓÚ")
    parts = ENGLISH[_counted(ENGLISH, key, values)].split("{")
    text = "{".join(
        [parts[0].translate(accented)]
        + [
            f"{name}}}{rest.translate(accented)}"
            for name, _, rest in (part.partition("}") for part in parts[1:])
        ]
    )
    return f"⟦{text.format_map(values) if values else text} ~~⟧"


_SPEAKERS: Final[dict[str, Callable[..., str]]] = {"en": english, "x-pseudo": pseudo}


def speaker(language: str) -> Callable[..., str]:
    """Return the function that knows the words of *language*; English where there is none."""
    return _SPEAKERS.get(language, english)
