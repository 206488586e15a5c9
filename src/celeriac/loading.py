"""Where an application is: from what people write after `-A` to the object. Runs the user's modules.

It lies below the application, so it knows one by the name of its class.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

import msgspec

from celeriac.errors import ConfigurationError

NAMES: Final = ("app", "celery_app", "celeriac", "celery", "application")
SUBMODULES: Final = ("celeriac", "celery", "tasks", "app")
FACTORIES: Final = ("create_app", "make_app", "create_celeriac", "make_celeriac", "create_celery")
EXTENSION: Final = "celeriac"  # where a Flask application keeps ours

_CLASS: Final = ("celeriac.app", "Celeriac")
_MODULE: Final = re.compile(r"[\w-]+(\.[\w-]+)*")
_ATTRIBUTE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_CREATES_APP: Final = re.compile(rb"^[A-Za-z_]\w* *(?::[^=\n]+)?= *(?:celeriac\.)?Celeriac\(", re.MULTILINE)
_MACHINERY: Final = (str(Path(__file__).parent) + os.sep, importlib.__file__, "<frozen importlib")
_MOST_FILES: Final = 200
_MOST_BYTES: Final = 200_000


class Reference(msgspec.Struct, frozen=True):
    """What `-A` says, taken apart.

    Attributes:
        module: the dotted name. attribute: "" when it is to be looked for.
        path: the file, when a file was named. folder: where its import begins.
    """

    module: str
    attribute: str = ""
    path: Path | None = None
    folder: Path | None = None

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}" if self.attribute else self.module


class LoadError(ConfigurationError):
    """The application cannot be loaded.

    Attributes:
        reason: one sentence.
        traceback: the user's own part of it; "" when no module of theirs has raised.
        suggestion: a reference that may be what was meant; "" for none.
    """

    def __init__(self, reason: str, *, traceback: str = "", suggestion: str = "") -> None:
        super().__init__(f"{reason}\n{traceback.rstrip()}" if traceback else reason)
        self.reason = reason
        self.traceback = traceback
        self.suggestion = suggestion


# --- the two questions ------------------------------------------------------------------------------


def load_app(reference: str | None) -> Any:
    """Import and return the application that *reference* names.

    The current directory is put first on `sys.path`. A reference is a module (`proj`, `proj.celery`) or a
    file (`src/proj.py`), with or without `:attribute`. Without one, the first of `NAMES` that is an
    application is taken, else the module's only one, else those of its `SUBMODULES` are looked at. An
    attribute may also be a function without parameters that makes the application, and either may give a
    Flask application that keeps ours in `extensions["celeriac"]`.

    Raises:
        ConfigurationError: *reference* is none.
        LoadError: the module is not there, cannot be imported, or has no application, or too many.
    """
    found = parse(reference)
    for folder in (Path.cwd(), found.folder):
        _put_first(folder)
    module = _import(found)
    if found.attribute:
        return _named(module, found)
    return _located(module)[0]


def reference_of(app: Any, reference: str) -> str:
    """Return the `module:attribute` of *app*, which `load_app` gave for *reference*, for fresh processes."""
    found = parse(reference)
    if found.attribute:
        return str(found)
    located, where = _located(_import(found))
    return where if located is app else str(found)


def override(app: Any, settings: Mapping[str, Any]) -> Any:
    """Give *app* other *settings*, also where its module has opened the store already; return it."""
    if settings:
        app.close()
        app.conf.update(settings)
    return app


def import_tasks(app: Any) -> None:
    """Import the modules in which *app*'s tasks are; see `Celeriac.import_modules`.

    Raises:
        LoadError: one of them cannot be imported.
    """
    what = f"the modules of {app.main}'s tasks (settings `imports` and `include`) cannot be imported"
    try:
        _run(app.import_modules, what)
    except _Missing as error:
        raise LoadError(f"{what}: {error.__cause__}") from error


def import_each(app: Any) -> Iterator[LoadError]:
    """Do as `import_tasks`, but go on after a module that cannot be imported, and give all errors."""
    modules, what = app.task_modules(), f"the modules of {app.main}'s tasks cannot be imported"
    while True:
        try:
            name = _run(lambda: next(modules, None), what)
            if name is None:
                return
            _run(partial(importlib.import_module, name), f"the module {name!r} cannot be imported")
        except LoadError as error:
            yield error
        except _Missing as error:
            yield LoadError(f"{what}: {error.__cause__}")


# --- the reference ----------------------------------------------------------------------------------


def parse(reference: str | None) -> Reference:
    """Take *reference* apart; nothing is imported.

    Raises:
        ConfigurationError: it is none.
    """
    if not reference:
        raise ConfigurationError("no application is named: give -A module, or set CELERIAC_APP")
    place, colon, attribute = reference.partition(":")
    attribute = attribute.removesuffix("()")
    if (colon or attribute) and not _ATTRIBUTE.fullmatch(attribute):
        raise ConfigurationError(_no_reference(reference, f"{attribute!r} is no name of an attribute"))
    if place.endswith(".py") or os.sep in place:
        return _of_file(Path(place), attribute)
    if not _MODULE.fullmatch(place):
        raise ConfigurationError(_no_reference(reference, f"{place!r} is no name of a module"))
    return Reference(place, attribute)


def _no_reference(reference: str, why: str) -> str:
    return (
        f"{reference!r} does not say where the application is, {why}; write a module, `module:name` or a file"
    )


def _of_file(path: Path, attribute: str) -> Reference:
    """Find the dotted name of the module in *path*, and the folder from which it is imported."""
    path = path.absolute()
    if path.is_dir():
        path = path / "__init__.py"
    if path.suffix != ".py" or not path.is_file():
        raise LoadError(f"there is no Python file {path}")
    parts = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    name = ".".join(parts)
    if not _MODULE.fullmatch(name):
        raise LoadError(f"{path} cannot be imported: {name!r} is no name of a module; rename it")
    return Reference(name, attribute, path, folder)


def _put_first(folder: Path | None) -> None:
    if folder is not None and (not sys.path or sys.path[0] != str(folder)):
        sys.path.insert(0, str(folder))


# --- importing --------------------------------------------------------------------------------------


def _import(found: Reference) -> ModuleType:
    try:
        module: ModuleType = _run(
            lambda: importlib.import_module(found.module), f"the module {found.module!r} cannot be imported"
        )
    except _Missing:
        raise _not_found(found) from None
    if found.path is not None and not _is_from(module, found.path):
        raise LoadError(
            f"{found.path} cannot be imported: another module has the name {found.module!r} "
            f"({_file(module)}); rename yours"
        )
    return module


class _Missing(Exception):
    """No module has the name that was asked for."""


def _run(call: Callable[[], Any], what: str) -> Any:
    """Do *call*, which runs the user's code, and tell what it raises as a `LoadError` that begins there."""
    try:
        return call()
    except (KeyboardInterrupt, LoadError):
        raise
    except BaseException as error:  # the user's code may raise anything, SystemExit too
        own = _own_part(error.__traceback__)
        if own is None and isinstance(error, ModuleNotFoundError):
            raise _Missing from error
        text = "".join(traceback.format_exception(type(error), error, own))
        raise LoadError(f"{what}: {_first_line(error)}", traceback=text) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__qualname__}: {lines[0]}" if lines else type(error).__qualname__


def _own_part(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the frames of the machinery at the beginning of *trace*."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_MACHINERY):
        trace = trace.tb_next
    return trace


def _is_from(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path.resolve()


def _file(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or "built in"


def _not_found(found: Reference) -> LoadError:
    """Say where the module was looked for, and which names are near."""
    package, _, name = found.module.rpartition(".")
    parent = sys.modules.get(package) if package else None
    if package and parent is None:
        return _not_found(Reference(package))
    if parent is None:
        names, where = _modules([str(Path.cwd())]), f"{Path.cwd()} or elsewhere on Python's path"
    else:
        names, where = _modules(getattr(parent, "__path__", [])), f"{package!r} ({_file(parent)})"
        if _is_app(getattr(parent, name, None)):
            return LoadError(
                f"{name!r} in {package!r} is no module but an application", suggestion=f"{package}:{name}"
            )
    near = difflib.get_close_matches(name, names, 1, 0.5)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    suggestion = ".".join(filter(None, [package, near[0]])) if near else guess() or ""
    return LoadError(f"there is no module {name!r} in {where}{meant}", suggestion=suggestion)


def _modules(paths: Iterable[str]) -> list[str]:
    return [info.name for info in pkgutil.iter_modules(list(paths))]


def guess(folder: Path | None = None) -> str | None:
    """Return a module in *folder*, or the current one, whose text makes an application; None for none.

    Nothing is imported.
    """
    here = folder or Path.cwd()
    for count, path in enumerate(_sources(here)):
        if count >= _MOST_FILES:
            break
        try:
            with path.open("rb") as file:
                text = file.read(_MOST_BYTES)
        except OSError:
            continue
        if _CREATES_APP.search(text):
            parts = path.relative_to(here).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if _MODULE.fullmatch(name):
                return name
    return None


def _sources(here: Path) -> Iterator[Path]:
    """Iterate over the modules of *here* and of its packages."""
    yield from sorted(here.glob("*.py"))
    for package in sorted(here.glob("*/__init__.py")):
        yield from sorted(package.parent.glob("*.py"))


# --- looking inside ---------------------------------------------------------------------------------


def _is_app(value: Any) -> bool:
    """Say whether *value* is a `Celeriac`; a proxy that only stands for one is not."""
    return any((kind.__module__, kind.__qualname__) == _CLASS for kind in type(value).__mro__)


def _as_app(value: Any) -> Any:
    """Return the application that *value* is or, like a Flask application, keeps; None when it is neither."""
    if _is_app(value):
        return value
    extensions = inspect.getattr_static(value, "extensions", None)
    kept = extensions.get(EXTENSION) if isinstance(extensions, Mapping) else None
    return kept if _is_app(kept) else None


def _named(module: ModuleType, found: Reference) -> Any:
    """Return the application at the attribute that *found* names."""
    value: Any = module
    for name in found.attribute.split("."):
        if not hasattr(value, name):
            raise _no_attribute(module, value, name)
        value = getattr(value, name)
    app = _as_app(value)
    if app is None and callable(value):
        app = _made(value, found)
    if app is None:
        raise LoadError(
            f"{found} is a {type(value).__qualname__}, not a Celeriac application", suggestion=_other(module)
        )
    return app


def _no_attribute(module: ModuleType, value: Any, name: str) -> LoadError:
    near = difflib.get_close_matches(name, dir(value), 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return LoadError(
        f"the module {module.__name__!r} ({_file(module)}) has no {name!r}{meant}", suggestion=_other(module)
    )


def _made(factory: Callable[[], Any], found: Reference) -> Any:
    """Call *factory* and return the application that it makes."""
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise LoadError(
            f"{found} cannot make the application: it must be callable without arguments"
        ) from error
    except ValueError:  # something built in that does not tell
        pass
    try:
        value = _run(factory, f"{found} fails to make the application")
    except _Missing as error:  # a factory without a frame of its own
        raise LoadError(f"{found} fails to make the application: {error.__cause__}") from error
    app = _as_app(value)
    if app is None:
        raise LoadError(
            f"{found} returned a {type(value).__qualname__}; it must return a Celeriac application, or a "
            f"Flask application with extensions[{EXTENSION!r}]"
        )
    return app


def _other(module: ModuleType) -> str:
    """Return a reference to an application, or to a likely factory, in *module*; "" for none."""
    names = [*_apps(module), *(name for name in FACTORIES if callable(getattr(module, name, None)))]
    return f"{module.__name__}:{names[0]}" if names else ""


def _apps(module: ModuleType) -> list[str]:
    """Return the names of *module*'s applications, the usual ones first, each application once."""
    values = vars(module)
    usual = [name for name in NAMES if name in values]
    names: dict[int, str] = {}
    for name in (*usual, *values):
        app = _as_app(values[name]) if name in usual else values[name]
        if _is_app(app):
            names.setdefault(id(app), name)
    return list(names.values())


def _located(module: ModuleType) -> tuple[Any, str]:
    """Look for the application in *module* and its usual submodules; return it and its `module:attribute`."""
    for place in (module, *_submodules(module)):
        names = _apps(place)
        if names and (len(names) == 1 or names[0] in NAMES):
            return _as_app(getattr(place, names[0])), f"{place.__name__}:{names[0]}"
        if names:
            raise LoadError(
                f"the module {place.__name__!r} has {len(names)} applications ({', '.join(names)}); name one",
                suggestion=f"{place.__name__}:{names[0]}",
            )
    raise LoadError(_without(module), suggestion=_other(module) or guess() or "")


def _submodules(module: ModuleType) -> Iterator[ModuleType]:
    there = _modules(getattr(module, "__path__", []))
    for name in SUBMODULES:
        if name in there:
            yield _import(Reference(f"{module.__name__}.{name}"))


def _without(module: ModuleType) -> str:
    """Say that *module* has no application, and what it has instead."""
    has = [
        f"{name} ({type(value).__qualname__})"
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    ]
    some = ", ".join(has[:6]) + (f" and {len(has) - 6} more" if len(has) > 6 else "")
    looked = "" if getattr(module, "__path__", None) is None else f", nor have its {', '.join(SUBMODULES)}"
    return (
        f"the module {module.__name__!r} ({_file(module)}) has no Celeriac application{looked}; "
        f"it has {some or 'nothing'}"
    )
