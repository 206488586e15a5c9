"""How a call fits a function: checked when it is sent, converted by the annotations when it is run.

Pure: it looks at the function and never calls it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, Final

from celeriac import codec
from celeriac.errors import ConfigurationError, DecodeError, InvalidArguments

_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Arguments:
    """The parameters of one task.

    Args:
        function: what will be called.
        name: the task's name, for errors.
        skip: how many leading parameters the caller does not give (`self`).

    Raises:
        ConfigurationError: Python does not know the function's parameters.
    """

    def __init__(self, function: Callable[..., Any], name: str, *, skip: int = 0) -> None:
        signature = _signature_of(function, name)
        hints = hints_of(function)
        self._name = name
        self.parameters = list(signature.parameters.values())[skip:]
        self.signature = signature.replace(parameters=self.parameters, return_annotation=Parameter.empty)
        self.result_type = hints.get("return", Any)
        if not codec.convertible(self.result_type):
            self.result_type = Any
        self._read_counts()
        self._read_types(hints)

    def _read_counts(self) -> None:
        """Learn what a call with positional arguments only must look like: the common case, made fast."""
        positional = [p for p in self.parameters if p.kind in _POSITIONAL]
        keyword_only = [p for p in self.parameters if p.kind is Parameter.KEYWORD_ONLY]
        self._least = sum(p.default is Parameter.empty for p in positional)
        self._most = len(positional)
        self._simple = all(p.default is not Parameter.empty for p in keyword_only)

    def _read_types(self, hints: dict[str, Any]) -> None:
        kinds = {p.name: _kind_of(p, hints) for p in self.parameters}
        self._typed = any(kind is not Any for kind in kinds.values())
        rest = next((p.name for p in self.parameters if p.kind is Parameter.VAR_POSITIONAL), "")
        named = next((p.name for p in self.parameters if p.kind is Parameter.VAR_KEYWORD), "")
        self._rest = kinds.pop(rest, Any)
        self._named = kinds.pop(named, Any)
        self._kinds = kinds
        self._places = [p.name for p in self.parameters if p.kind in _POSITIONAL]

    @property
    def takes_nothing(self) -> bool:
        """Whether a call without arguments fits."""
        return self._simple and self._least == 0

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Return if the call fits.

        Raises:
            InvalidArguments: it does not; the message shows the signature.
        """
        if not kwargs and self._simple and self._least <= len(args) <= self._most:
            return
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidArguments(f"{self._name}{self.signature} cannot be called so: {error}") from None

    @property
    def places(self) -> tuple[str, ...]:
        """The names of those parameters that a positional argument can be for, in order."""
        return tuple(self._places)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, defaults too.

        Raises:
            InvalidArguments: it does not fit.
        """
        self.check(args, kwargs)
        call = self.signature.bind(*args, **kwargs)
        call.apply_defaults()
        return dict(call.arguments)

    def fits(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Say whether the call fits."""
        try:
            self.check(args, kwargs)
        except InvalidArguments:
            return False
        return True

    def convert(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Check a call that came as JSON and turn its values into the annotated types.

        Raises:
            InvalidArguments: it does not fit, or a value cannot become its type.
        """
        self.check(tuple(args), kwargs)
        if not self._typed:
            return tuple(args), kwargs
        places = self._places
        converted = [
            self._value(places[i], value) if i < len(places) else self._value(f"*{i}", value, self._rest)
            for i, value in enumerate(args)
        ]
        return tuple(converted), {key: self._value(key, value, self._named) for key, value in kwargs.items()}

    def convert_later(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Do as `convert`, for a call before whose arguments one more will be put when it starts.

        Raises:
            InvalidArguments: as `convert`; of the first argument only that there is room for it is known.
        """
        self.check((None, *args), kwargs)
        names = [*self._places[1 : len(args) + 1], *("*" for _ in args)]
        for name, value in (*zip(names, args, strict=False), *kwargs.items()):
            self._value(name, value, self._named if name in kwargs else self._rest)

    def _value(self, name: str, value: Any, fallback: Any = Any) -> Any:
        kind = self._kinds.get(name, fallback)
        if kind is Any:
            return value
        try:
            return codec.convert(value, kind, what=f"the argument {name!r} of {self._name}")
        except DecodeError as error:
            raise InvalidArguments(str(error)) from None  # it says all; its chain is our own code


def _signature_of(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:  # some functions written in C have none
        raise ConfigurationError(
            f"{name}: Python does not know the parameters of {function!r:.80}; write a def around it"
        ) from None


def _kind_of(parameter: Parameter, hints: dict[str, Any]) -> Any:
    """Return the type that values of *parameter* are to become; Any to leave them as they are."""
    kind = hints.get(parameter.name, Any)
    if kind is Any or not codec.convertible(kind):
        return Any
    return kind | None if parameter.default is None else kind  # `x: int = None` admits None


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Evaluate the annotations that can be evaluated; the others count as not there."""
    target = inspect.unwrap(function)
    try:
        return dict(inspect.get_annotations(target, eval_str=True))
    except Exception:  # noqa: BLE001 - an annotation is user code
        return _evaluable(target)


def _evaluable(target: Any) -> dict[str, Any]:
    found = {}
    names = {**vars(__import__("typing")), **getattr(target, "__globals__", {})}
    for name, text in getattr(target, "__annotations__", {}).items():
        try:
            found[name] = eval(text, names) if isinstance(text, str) else text  # noqa: S307 - the user's own source
        except Exception:  # noqa: BLE001, S112 - such as a name imported for type checkers only
            continue
    return found
