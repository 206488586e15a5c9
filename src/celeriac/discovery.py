"""Finding modules and folders: what a worker imports at start, and where the project is."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any, Final


def import_object(name: str) -> Any:
    """Import `module`, or `module:object` and return that object."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in filter(None, path.split(".")):
        found = getattr(found, attribute)
    return found


def related_module(package: str, related: str) -> str | None:
    """Return the name of the module *related* of *package*; None when it has none.

    Raises:
        ModuleNotFoundError: there is no such package.
    """
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # its parent is a module, or is not there either
        spec = None
    if not related and spec is not None:
        return package
    if spec is None or spec.submodule_search_locations is None:
        parent = package.rpartition(".")[0]
        if not parent and spec is None:
            raise ModuleNotFoundError(
                f"tasks of {package!r} are to be discovered, but there is no such package"
            )
        return related_module(parent, related) if parent else None
    name = f"{package}.{related}"
    return name if importlib.util.find_spec(name) else None


_LANDMARKS: Final = ("pyproject.toml", "setup.py", "manage.py", ".git")


def project_directory(start: Path | None = None) -> Path:
    """Return the nearest directory, from *start* or the current one up, that looks like a project's root."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if any((folder / landmark).exists() for landmark in _LANDMARKS):
            return folder
    return here
