"""Signatures: calls that are written down instead of made, and the shapes that are built of them.

A signature is a dictionary with a few methods, so that it can be an argument of a task: what comes out at the
other end is a plain one, and `signature()` makes it whole again. Nothing here sends anything; `plan` turns a
signature into messages.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, Self

from celeriac.calling import arguments_of
from celeriac.current import current_application
from celeriac.errors import InvalidMessage

CALLBACKS: Final = ("link", "link_error")


class Signature(dict[str, Any]):
    """One call of a task: which, with what, and with which options of `apply_async`.

    Args:
        task: a task, its name, or a signature as a dictionary, which is then copied.
        args, kwargs: those that are known already. What a parent returns, or a caller adds, is put before.
        options: as `Task.apply_async` has them; `link` and `link_error` are lists of signatures.
        immutable: take neither a parent's result nor further arguments.
        app: the application; None takes the current one when it is needed.
    """

    shape: ClassVar[str | None] = None

    def __init__(
        self,
        task: Any = None,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        app: Any = None,
        **more: Any,
    ) -> None:
        if isinstance(task, dict):
            super().__init__(task)
            self._app = app if app is not None else getattr(task, "_app", None)
            return
        name = getattr(task, "name", task)
        given, named = arguments_of(name or type(self).__name__, args, kwargs)
        super().__init__(
            task=name,
            args=list(given),
            kwargs=named,
            options={**(options or {}), **more},
            subtask_type=self.shape,
            immutable=immutable,
        )
        self._app = app if app is not None else getattr(task, "_app", None)

    # --- reading ------------------------------------------------------------------------------------

    @property
    def task(self) -> str:
        """The name of the task."""
        return str(self["task"])

    @property
    def args(self) -> list[Any]:
        """The positional arguments."""
        return self["args"]  # type: ignore[no-any-return]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments."""
        return self["kwargs"]  # type: ignore[no-any-return]

    @property
    def options(self) -> dict[str, Any]:
        """The options, as `Task.apply_async` has them."""
        return self["options"]  # type: ignore[no-any-return]

    @property
    def immutable(self) -> bool:
        """Whether it takes no further arguments."""
        return bool(self.get("immutable"))

    @property
    def id(self) -> str | None:
        """The id that it will have; None before `freeze`."""
        return self.options.get("task_id")

    @property
    def name(self) -> str:
        """The name of the task, where Celery has it too."""
        return self.task

    @property
    def app(self) -> Any:
        """The application: its own, or the current one."""
        return self._app if self._app is not None else current_application()

    def of(self, app: Any) -> Self:
        """Let *app* be its application, if it has none yet; return it."""
        if self._app is None:
            self._app = app
        return self

    @property
    def type(self) -> Any:
        """The task itself.

        Raises:
            NotRegistered: it is not known here.
        """
        return self.app.find_task(self.task)

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *(f"{key}={value!r}" for key, value in self.kwargs.items())]
        return f"{self.task}({', '.join(given)})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Signature:
        return self.clone()

    def __reduce__(self) -> Any:
        return signature, (dict(self),)

    # --- changing -------------------------------------------------------------------------------------

    def clone(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Self:
        """Return a copy with more arguments (*args* before its own) and options."""
        copy = type(self)(self)
        copy["args"], copy["kwargs"] = self._merged(args, kwargs)
        copy["options"] = {key: _copied(key, value) for key, value in {**self.options, **options}.items()}
        return copy

    def _merged(
        self, args: Iterable[Any] | None, kwargs: Mapping[str, Any] | None
    ) -> tuple[list[Any], dict[str, Any]]:
        if self.immutable:
            return [*self.args], {**self.kwargs}
        return [*(args or ()), *self.args], {**self.kwargs, **(kwargs or {})}

    def set(self, immutable: bool | None = None, **options: Any) -> Self:
        """Set options of this signature, and return it."""
        if immutable is not None:
            self["immutable"] = immutable
        self.options.update(options)
        return self

    def set_immutable(self, immutable: bool) -> None:
        """Take neither a parent's result nor further arguments."""
        self["immutable"] = immutable

    def link(self, callback: Mapping[str, Any]) -> Any:
        """Have *callback* called with the result once this has succeeded; return *callback*."""
        return self._add("link", callback)

    def link_error(self, errback: Mapping[str, Any]) -> Any:
        """Have *errback* called once this has failed; return *errback*.

        A task that takes one argument gets the id of the task that failed; one that takes three gets its
        request, the exception and the traceback, as text.
        """
        return self._add("link_error", errback)

    def on_error(self, errback: Mapping[str, Any]) -> Self:
        """Do as `link_error` does, and return this signature."""
        self.link_error(errback)
        return self

    def _add(self, kind: str, callback: Mapping[str, Any]) -> Any:
        known = self.options[kind] = _copied(kind, self.options.get(kind)) or []
        if callback not in known:
            known.append(callback)
        return callback

    def freeze(self, _id: str | None = None, **_: Any) -> Any:
        """Give it its id now, and return the result that it will have."""
        from celeriac.canvas.plan import freeze

        return freeze(self, _id)

    # --- building -------------------------------------------------------------------------------------

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            return NotImplemented
        return chain(self, other, app=self._app)

    def __ior__(self, other: Any) -> Any:
        return self | other

    # --- calling --------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the task here and now, with these arguments before its own."""
        given, named = self._merged(args, kwargs)
        return self.type(*given, **named)

    def delay(self, *args: Any, **kwargs: Any) -> Any:
        """Send it, with these arguments before its own; return its result."""
        return self.apply_async(args, kwargs)

    async def adelay(self, *args: Any, **kwargs: Any) -> Any:
        """Do what `delay` does without blocking the event loop."""
        return await self.aapply_async(args, kwargs)

    def apply_async(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Send it, with these arguments before its own and these options over its own.

        Of a chain, `countdown` and `eta` count for what comes first and `task_id` for what comes last; queue,
        priority, expires, headers and the limits count for all that do not say otherwise.

        Raises:
            As `Task.apply_async`; InvalidMessage for a shape that cannot be, NotRegistered for a name in it
            that is not known here (`remote=True` says that it is known to workers).
        """
        from celeriac.canvas.plan import send

        return send(self.clone(args, kwargs, **options))

    async def aapply_async(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Do what `apply_async` does without blocking the event loop."""
        from celeriac.canvas.plan import asend

        return await asend(self.clone(args, kwargs, **options))

    def apply(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Run it here and now, part by part; see `Task.apply`."""
        from celeriac.canvas.inline import run

        return run(self.clone(args, kwargs, **options))


class chain(Signature):  # noqa: N801 - Celery's name for it
    """One after another: each gets what the one before returned.

    A group in it is brought together before the next one goes on, which gets the list of results.
    """

    shape = "chain"

    def __init__(self, *tasks: Any, app: Any = None, **options: Any) -> None:
        if len(tasks) == 1 and _is_shape(tasks[0], "chain"):
            super().__init__(tasks[0], app=app)
            return
        if len(tasks) == 1 and not isinstance(tasks[0], dict):
            tasks = tuple(tasks[0])
        steps = list(itertools.chain.from_iterable(map(_steps, tasks)))
        super().__init__("celeriac.chain", (), {"tasks": steps}, options, app=app or _app_of(steps))

    @property
    def tasks(self) -> list[Signature]:
        """What it consists of."""
        return [signature(task, app=self._app) for task in self.kwargs["tasks"]]

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.tasks))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send it, as Celery does."""
        return self.apply_async(args, kwargs)

    def __len__(self) -> int:
        return super().__len__()


class group(Signature):  # noqa: N801 - Celery's name for it
    """All at the same time.

    Args:
        tasks: signatures, or one iterable of them. Groups in it become part of it.
    """

    shape = "group"

    def __init__(self, *tasks: Any, app: Any = None, **options: Any) -> None:
        if len(tasks) == 1 and _is_shape(tasks[0], "group"):
            super().__init__(tasks[0], app=app)
            return
        if len(tasks) == 1 and not isinstance(tasks[0], dict):
            tasks = tuple(tasks[0])
        members = [_checked(task) for task in tasks]
        super().__init__("celeriac.group", (), {"tasks": members}, options, app=app or _app_of(members))

    @property
    def tasks(self) -> list[Signature]:
        """What it consists of."""
        return [signature(task, app=self._app) for task in self.kwargs["tasks"]]

    def __repr__(self) -> str:
        return f"group([{', '.join(map(repr, self.tasks))}])"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send it, as Celery does."""
        return self.apply_async(args, kwargs)

    def skew(self, start: float = 1.0, stop: float | None = None, step: float = 1.0) -> Self:
        """Give its tasks rising countdowns, in seconds, so that they do not all start at once."""
        moments = itertools.count(start, step) if stop is None else _range(start, stop, step)
        self.kwargs["tasks"] = [task.clone(countdown=next(moments)) for task in self.tasks]
        return self

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            return NotImplemented
        return chord(self, other, app=self._app)


class chord(Signature):  # noqa: N801 - Celery's name for it
    """A group, and a body that is called with the list of its results once all have succeeded.

    Args:
        header: signatures, a group, or an iterable. body: what comes then; without it, calling the chord with
            a body sends it, as in Celery: `chord(header)(body)`.
    """

    shape = "chord"

    def __init__(self, header: Any = (), body: Any = None, *, app: Any = None, **options: Any) -> None:
        if _is_shape(header, "chord") and body is None:
            super().__init__(header, app=app)
            return
        whole = header if _is_shape(header, "group") else group(header)
        parts = {"header": whole, "body": None if body is None else _checked(body)}
        found = [part for part in parts.values() if part is not None]
        super().__init__("celeriac.chord", (), parts, options, app=app or _app_of(found))

    @property
    def header(self) -> group:
        """What is waited for."""
        found = signature(self.kwargs["header"], app=self._app)
        return found if isinstance(found, group) else group(found, app=self._app)

    @property
    def body(self) -> Signature | None:
        """What comes then."""
        body = self.kwargs.get("body")
        return None if body is None else signature(body, app=self._app)

    def __repr__(self) -> str:
        return f"chord({self.header!r}, {self.body!r})"

    def __call__(self, body: Any = None, **options: Any) -> Any:
        """Send it with *body*, or with its own."""
        whole = self.clone(**options)
        if body is not None:
            whole["kwargs"] = {**whole.kwargs, "body": _checked(body)}
        return whole.apply_async()

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            return NotImplemented
        if self.body is None:
            return chord(self.header, other, app=self._app)
        whole = self.clone()
        whole["kwargs"] = {**whole.kwargs, "body": chain(self.body, other, app=self._app)}
        return whole


class xmap(Signature):  # noqa: N801 - Celery's name for it
    """One task that calls another one with each item of a list, and returns the list of results."""

    shape = "map"

    def __init__(self, task: Any, it: Iterable[Any] = (), *, app: Any = None, **options: Any) -> None:
        if _is_shape(task, self.shape):
            super().__init__(task, app=app)
            return
        parts = {"task": _plain(task), "it": [*it]}
        super().__init__(f"celeriac.{self.shape}", (), parts, options, app=app or getattr(task, "_app", None))

    def __repr__(self) -> str:
        return f"[{self.kwargs['task']['task']}(x) for x in {self.kwargs['it']!r:.80}]"


class xstarmap(xmap):  # noqa: N801 - Celery's name for it
    """As `xmap`, but each item is the list of a call's arguments."""

    shape = "starmap"

    def __repr__(self) -> str:
        return f"[{self.kwargs['task']['task']}(*x) for x in {self.kwargs['it']!r:.80}]"


class chunks(Signature):  # noqa: N801 - Celery's name for it
    """A long list of calls as a group of tasks, each of which makes *n* of them one after another.

    Args:
        it: the arguments of each call.
    """

    shape = "chunks"

    def __init__(
        self, task: Any, it: Iterable[Any] = (), n: int = 1, *, app: Any = None, **options: Any
    ) -> None:
        if _is_shape(task, "chunks"):
            super().__init__(task, app=app)
            return
        if n < 1:
            raise InvalidMessage(f"chunks are of one call at least, not of {n!r}")
        parts = {"task": _plain(task), "it": [*it], "n": n}
        super().__init__("celeriac.chunks", (), parts, options, app=app or getattr(task, "_app", None))

    def group(self) -> group:
        """Return the group that it comes to."""
        it, n = iter(self.kwargs["it"]), self.kwargs["n"]
        parts = iter(lambda: list(itertools.islice(it, n)), [])
        return group(
            [xstarmap(signature(self.kwargs["task"]), part, app=self._app) for part in parts], app=self._app
        )

    def __call__(self, **options: Any) -> Any:
        """Send it, as Celery does."""
        return self.apply_async(**options)


_SHAPES: Final[dict[str | None, Callable[..., Signature]]] = {
    None: Signature,
    **{kind.shape: kind for kind in (chain, group, chord, xmap, xstarmap, chunks)},
}


def signature(task: Any, args: Iterable[Any] | None = None, kwargs: Any = None, **more: Any) -> Signature:
    """Make a signature of a task, of its name, or of a dictionary that was one.

    Raises:
        InvalidMessage: it is none of these.
    """
    if not isinstance(task, dict):
        return Signature(task, args, kwargs, **more)
    if isinstance(task, Signature) and args is None and kwargs is None and not more.keys() - {"app"}:
        return task.of(more.get("app"))
    if not isinstance(task.get("task"), str) or task.get("subtask_type") not in _SHAPES:
        raise InvalidMessage(f"this dictionary is no signature: {dict(task)!r:.120}")
    made = _SHAPES[task.get("subtask_type")](_complete(task), app=more.pop("app", None))
    return made.clone(args, kwargs, **more) if args or kwargs or more else made


def maybe_signature(task: Any, app: Any = None) -> Any:
    """Make a signature of a dictionary that was one; return anything else as it is."""
    return signature(task, app=app) if isinstance(task, dict) else task


def _complete(task: dict[str, Any]) -> dict[str, Any]:
    """Give a dictionary that somebody wrote by hand all that a signature has."""
    whole = {"args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False, **task}
    if not isinstance(whole["args"], list | tuple) or not all(
        isinstance(whole[key], dict) for key in ("kwargs", "options")
    ):
        raise InvalidMessage(f"this dictionary is no signature: {task!r:.120}")
    return whole


def _copied(key: str, value: Any) -> Any:
    """Copy an option; callbacks become a list of their own."""
    if key not in CALLBACKS or value is None:
        return value
    return [value] if isinstance(value, dict) else [*value]


def _checked(task: Any) -> Signature:
    if isinstance(task, Signature):
        return task
    if isinstance(task, dict):
        return signature(task)
    if hasattr(task, "s"):
        raise InvalidMessage(f"{task!r} is a task, not a call of it: write {task.name}.s(...)")
    raise InvalidMessage(f"a chain, group or chord is made of signatures, not of {task!r:.80}")


def _steps(task: Any) -> Iterator[Signature]:
    """Take the steps of a chain out of it, so that chains of chains are one."""
    found = _checked(task)
    if isinstance(found, chain) and not any(found.options.values()):
        yield from found.tasks
    else:
        yield found


def _is_shape(task: Any, shape: str | None) -> bool:
    return isinstance(task, dict) and task.get("subtask_type") == shape and shape is not None


def _plain(task: Any) -> Signature:
    return task if isinstance(task, Signature) else signature(task)


def _app_of(signatures: Iterable[Signature]) -> Any:
    return next((app for each in signatures if (app := getattr(each, "_app", None)) is not None), None)


def _range(start: float, stop: float, step: float) -> Iterator[float]:
    """Count from *start* to *stop*, and then again."""
    while True:
        at = start
        while at <= stop:
            yield at
            at += step
