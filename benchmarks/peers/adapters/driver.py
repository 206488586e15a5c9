"""Does one thing with one peer, in that peer's own environment, and prints a line of JSON.

    python driver.py on_huey send 5000        tasks one by one          -> {"seconds": 1.2}
    python driver.py on_huey callers 5000     tasks from 100 coroutines -> {"seconds": 1.2}
    python driver.py on_huey bulk 5000        many at once              -> {"seconds": 0.1}
    python driver.py on_huey fill 5000 noop   the fastest of these      -> {"seconds": 0.1}
    python driver.py on_celery shape 5000 chord   one shape of many     -> {"seconds": 0.1}
    python driver.py on_huey ping 200         one at a time, each after the last one has started
                                                                        -> {"latencies": [0.001, ...]}
    python driver.py on_huey stored           how many results are kept -> {"stored": 5000}
    python driver.py on_huey workers          how its workers are started
    python driver.py on_huey versions         of the packages that matter

An adapter is a module `on_<peer>` beside this file. It defines tasks called noop, anoop (where the peer
has `async def` tasks) and nap (10 ms of waiting); the first thing that each does is `ticks.tick()`, noop
and anoop do nothing else, and all return None. It gives

    send(task)               enqueue one, return when the peer says that it is accepted
    asend(task)              the same as a coroutine function; one of the two may be missing
    send_many(task, count)   enqueue many by the peer's own bulk call, plain or async; left out where the
                             peer has none
    send_shape(shape, count)   enqueue a "group", a "chord" (whose body is `unite`, which ticks, too) or a
                             "chain" of no-ops; left out where the peer has none
    stored()                 how many finished results the store holds, plain or async; None where the peer
                             keeps none
    begin(), end()           what has to be done once before and after, plain or async, if anything

and the constants

    PACKAGES   the distributions whose versions are shown
    WORKERS    how workers are started: a list of
               {"setting": "2 processes of 8 threads", "for": ["noop", "anoop", "nap", "ping"],
                "commands": [[argv], ...], "env": {...}}   # argv[0] "python" is the environment's own
               (asked for once: no address of a store in them, that comes by the environment)
"""

import asyncio
import importlib
import importlib.metadata
import inspect
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import ticks

CALLERS = 100
WARM_UP = 20  # pings that are not counted: they pay for connections and imports
PAUSE = 0.005  # seconds between a start and the next ping, so that the worker is idle again
LOOK = 0.002
PATIENCE = 30.0


async def perform(adapter: Any, verb: str, words: list[str]) -> dict[str, Any]:
    """Do *verb* and return what is printed."""
    await _call(getattr(adapter, "begin", None))
    try:
        return await VERBS[verb](adapter, *words)
    finally:
        await _call(getattr(adapter, "end", None))


async def _call(function: Callable[..., Any] | None, *arguments: Any) -> Any:
    answer = None if function is None else function(*arguments)
    return await answer if inspect.isawaitable(answer) else answer


async def _send(adapter: Any, count: str, task: str = "noop") -> dict[str, Any]:
    number, send = int(count), getattr(adapter, "send", None)
    started = time.perf_counter()
    if send is None:
        for _ in range(number):
            await adapter.asend(task)
    else:
        for _ in range(number):
            send(task)
    return {"seconds": time.perf_counter() - started}


async def _callers(adapter: Any, count: str, task: str = "noop") -> dict[str, Any]:
    each, rest = divmod(int(count), CALLERS)

    async def caller(calls: int) -> None:
        for _ in range(calls):
            await adapter.asend(task)

    started = time.perf_counter()
    await asyncio.gather(*(caller(each + (number < rest)) for number in range(CALLERS)))
    return {"seconds": time.perf_counter() - started}


async def _bulk(adapter: Any, count: str, task: str = "noop") -> dict[str, Any]:
    started = time.perf_counter()
    await _call(adapter.send_many, task, int(count))
    return {"seconds": time.perf_counter() - started}


async def _fill(adapter: Any, count: str, task: str = "noop") -> dict[str, Any]:
    if hasattr(adapter, "send_many"):
        return await _bulk(adapter, count, task)
    return await (_callers if hasattr(adapter, "asend") else _send)(adapter, count, task)


async def _shape(adapter: Any, count: str, shape: str) -> dict[str, Any]:
    started = time.perf_counter()
    await _call(adapter.send_shape, shape, int(count))
    return {"seconds": time.perf_counter() - started}


async def _ping(adapter: Any, count: str, task: str = "noop") -> dict[str, Any]:
    sent = []
    for number in range(1, WARM_UP + int(count) + 1):
        sent.append(time.monotonic())
        await _call(getattr(adapter, "send", None) or adapter.asend, task)
        _wait_for(number)
        time.sleep(PAUSE)
    pairs = zip(sent, ticks.all_ticks(), strict=True)
    return {"latencies": [started - sent for sent, started in pairs][WARM_UP:]}


def _wait_for(number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    time.sleep(LOOK)  # looking at once would keep the processor from those who are measured
    while ticks.count_ticks() < number:
        if time.monotonic() > deadline:
            raise SystemExit(f"task {number} did not start within {PATIENCE:g} s")
        time.sleep(LOOK)


async def _stored(adapter: Any) -> dict[str, Any]:
    return {"stored": await _call(adapter.stored)}


async def _can(adapter: Any) -> dict[str, Any]:
    optional = {"bulk": "send_many", "callers": "asend", "shape": "send_shape"}
    verbs = [verb for verb, name in optional.items() if hasattr(adapter, name)]
    return {"verbs": verbs, "workers": adapter.WORKERS}


async def _versions(adapter: Any) -> dict[str, Any]:
    return {name: importlib.metadata.version(name) for name in adapter.PACKAGES}


VERBS = {
    "send": _send,
    "callers": _callers,
    "bulk": _bulk,
    "fill": _fill,
    "shape": _shape,
    "ping": _ping,
    "stored": _stored,
    "workers": _can,
    "versions": _versions,
}


def main() -> None:
    """Run what the command line asks for."""
    module, verb, *words = sys.argv[1:]
    os.environ["BENCH_DRIVER"] = "1"
    adapter = importlib.import_module(module)
    print(json.dumps(asyncio.run(perform(adapter, verb, words))))


if __name__ == "__main__":
    main()
