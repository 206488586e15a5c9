"""A signature run here and now, part by part: what `apply` and `task_always_eager` do with shapes."""

from __future__ import annotations

from typing import Any

from celeriac.canvas.signature import Signature, chain, chord, chunks, group, signature
from celeriac.errors import InvalidMessage
from celeriac.groups import GroupResult
from celeriac.message import new_ids
from celeriac.outcome import decode_error

_NOTHING: Any = object()  # no parent


def run(sig: Signature, *, propagate: bool = False) -> Any:
    """Run *sig* to its end and return its result.

    Raises:
        Exception: what a task in it raised, when *propagate* is set.
    """
    result = _run(sig, _NOTHING)
    if propagate:
        result.get()
    return result


def _run(sig: Signature, given: Any) -> Any:
    if isinstance(sig, chunks):
        sig = sig.group()
    if isinstance(sig, chain):
        result = _chain(sig, given)
    elif isinstance(sig, group):
        result = _group(sig, given)
    elif isinstance(sig, chord):
        result = _chord(sig, given)
    else:
        result = _task(sig, given)
    _call_back(sig, result)
    return result


def _chain(sig: chain, given: Any) -> Any:
    if not sig.tasks:
        raise InvalidMessage("a chain of nothing cannot be run")
    result = None
    for number, step in enumerate(sig.tasks):
        before, result = result, _run(step.clone(sig.args) if number == 0 and sig.args else step, given)
        if result.parent is None:
            result.parent = before
        if not result.successful():
            break
        given = _value(result)
    return result


def _group(sig: group, given: Any) -> GroupResult:
    results: list[Any] = []
    for member in sig.tasks:
        result = _run(member.clone(sig.args) if sig.args else member, given)
        results += result.results if isinstance(result, GroupResult) else [result]
    return GroupResult(new_ids(1, sig.app.clock.now())[0], results, home=sig.app)


def _chord(sig: chord, given: Any) -> Any:
    if sig.body is None:
        raise InvalidMessage("a chord without a body cannot be run: call it with one")
    header = _run(sig.header.clone(sig.args) if sig.args else sig.header, given)
    if not header.successful():
        return next(result for result in header.results if not result.successful())
    body = _run(sig.body, _value(header))
    if body.parent is None:
        body.parent = header
    return body


def _task(sig: Signature, given: Any) -> Any:
    args = [*sig.args] if given is _NOTHING or sig.immutable else [given, *sig.args]
    options = {key: value for key, value in sig.options.items() if key not in _NOT_HERE}
    return sig.type.apply(args, sig.kwargs, **options)


_NOT_HERE = ("link", "link_error", "after", "remote")


def _value(result: Any) -> Any:
    return result.get(disable_sync_subtasks=False)


def _call_back(sig: Signature, result: Any) -> None:
    if result.successful():
        for callback in sig.options.get("link") or ():
            _run(signature(callback), _value(result) if not isinstance(result, GroupResult) else _NOTHING)
        return
    for errback in map(signature, sig.options.get("link_error") or ()):
        failed = next(
            (each for each in getattr(result, "results", [result]) if not each.successful()), result
        )
        _task(errback.clone(failure_arguments(errback.type, errback, failed)), _NOTHING)


def failure_arguments(task: Any, sig: Signature, failed: Any) -> list[Any]:
    """Return what an errback is told of a task that *failed* here."""
    if sig.immutable:
        return []
    if not task.arguments.fits((None,) * 3 + tuple(sig.args), sig.kwargs):
        return [failed.id]
    record = failed._record()  # noqa: SLF001 - it is kept by the result, not asked for
    error = decode_error(record.error)
    return [{"id": failed.id, "task": record.message.name}, error.message, error.traceback]
