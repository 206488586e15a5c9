"""``python -m tools.docs``: write those parts of the reference that follow from the code.

A part stands between `<!-- begin: name -->` and `<!-- end: name -->`; the rest of a page is written by hand.
With ``--check`` nothing is written: the names of pages that are out of date are printed, and make it fail.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celeriac import config, errors

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
_PART = re.compile(r"(<!-- begin: ([\w-]+) -->\n).*?(<!-- end: \2 -->\n)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Write, or with ``--check`` compare, every page; return the exit code."""
    old = [
        page
        for page in sorted(REFERENCE.glob("*.md"))
        if rendered(page.read_text("utf-8")) != page.read_text("utf-8")
    ]
    for page in old:
        if arguments != ["--check"]:
            page.write_text(rendered(page.read_text("utf-8")), "utf-8")
        print(page)
    return int(bool(old) and arguments == ["--check"])


def rendered(text: str) -> str:
    """Return the page *text* with its generated parts as the code has them now."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n\n{part[3]}", text)


# --- the parts --------------------------------------------------------------------------------------------


def error_tree() -> str:
    """Draw the errors with their meanings, as the head of their module does."""
    lines = (errors.__doc__ or "").splitlines()
    return "\n".join(["```text", *lines[lines.index("CeleriacError") :], "```"]).replace("``get()``", "get()")


def error_table() -> str:
    """List each error: its name, what else it is, and what it promises."""
    rows = [
        (f"`{name}`", _also(kind), _first_paragraph(kind))
        for name, kind in vars(errors).items()
        if _is_ours(kind)
    ]
    return _table(("Error", "Also a", "Meaning"), rows)


def _is_ours(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, errors.CeleriacError)


def _also(kind: type) -> str:
    """Name the base classes of *kind*: its parent in the tree, then what else it may be caught as."""
    return ", ".join(f"`{base.__name__ if _is_ours(base) else _foreign(base)}`" for base in kind.__bases__)


def _foreign(base: type) -> str:
    return base.__name__ if base.__name__ not in vars(errors) else f"{base.__module__}.{base.__name__}"


def _first_paragraph(kind: type) -> str:
    text = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    return text.replace("``", "`")


def settings(prefixes: tuple[str, ...], *, but: tuple[str, ...] = ()) -> str:
    """List the settings whose names begin with one of *prefixes* and none of *but*."""
    rows = [
        (f"`{name}`", _kind(name, kind), _default(default), meaning.replace("|", "\\|"))
        for name, kind, default, meaning in config.describe()
        if name.startswith(prefixes) and not name.startswith(but or ("\0",))
    ]
    return _table(("Setting", "Type", "Default", "Meaning"), rows)


def _kind(name: str, kind: str) -> str:
    least = config._AT_LEAST.get(name)  # noqa: SLF001 - the one place that shows it
    text = "`" + kind.replace("|", "\\|") + "`"
    return text if least is None else f"{text}, at least {least:g}"


def _default(value: Any) -> str:
    if value == ():
        return "none"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,.0f}" if value == int(value) else f"{value:g}"
    return f"`{value!r}`"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


STORE = ("broker_", "result_backend", "namespace", "result_expires", "dead_letter_expires")
PARTS: dict[str, Callable[[], str]] = {
    "error-tree": error_tree,
    "error-table": error_table,
    "store-settings": lambda: settings(STORE),
    "task-settings": lambda: settings(("",), but=(*STORE, "security_", "worker_")),
    "security-settings": lambda: settings(("security_",)),
    "worker-settings": lambda: settings(("worker_",)),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
