"""The way of all simulated processes to the store, and what goes wrong on it."""

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import Any

from celeriac.broker import TEND_LIMIT, Broker
from celeriac.errors import BrokerUnavailable

FAULTS = ("refused", "slow", "lost reply", "slow reply", "late", "twice", "dies before", "dies after")
_ODDS = (3, 3, 4, 2, 1, 1, 1, 1)
_FAULTY = 0.06  # of the calls in a step with faults

# Those whose late copy, after the caller has gone on, the contract speaks of, or that change nothing twice.
_MAY_BE_LATE = frozenset(
    {"send", "send_unique", "exchange", "heartbeat", "advance", "replace", "retire", "cancel", "tend"}
)
_QUIET = frozenset({"locally_dead", "hold_alive", "listener"})


class Killed(BaseException):
    """The process that made this call is dead; nothing that it does from here on happens."""


class Door:
    """A broker for whoever moves: each of its verbs may fail, before or after it took effect.

    Args:
        world: who moves, and whether something goes wrong.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self.url = "simulated://"
        self.ahead = 0.0
        self.trip_size = world.chance.choice((3, Broker.trip_size))
        self._tend_limit = world.chance.choice((2, TEND_LIMIT))

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        if verb.startswith("_") or not hasattr(Broker, verb):
            raise AttributeError(verb)
        return partial(self._quietly if verb in _QUIET else self._call, verb)

    def bell(self, worker: str) -> Any:
        """There are no bells here: a ring may be lost, and time that is slept through costs nothing."""
        raise BrokerUnavailable("nobody rings here")

    def _quietly(self, verb: str, *args: Any, **options: Any) -> Any:
        caller = self._living()
        return getattr(caller.broker, verb)(*args, **options)

    def _living(self) -> Any:
        caller = self._world.moving
        if not caller.alive:
            raise Killed
        return caller

    def _call(self, verb: str, *args: Any, **options: Any) -> Any:
        caller = self._living()
        fault = self._fault()
        if fault is not None:
            self._world.say(f"{caller.name}: {verb} {fault}")
        act = partial(self._act, caller, verb, args, options)
        self._before(caller, fault)
        if fault in ("late", "twice") and verb in _MAY_BE_LATE:
            self._world.post(caller, act)
            if fault == "late":
                raise BrokerUnavailable("no answer in time")
        answer = act()
        self._after(caller, fault)
        return answer

    def _before(self, caller: Any, fault: str | None) -> None:
        """Let go wrong what goes wrong before the store has done it."""
        if fault in ("away", "refused"):
            raise BrokerUnavailable(fault)
        if fault == "dies before":
            self._world.kill(caller)
            raise Killed
        if fault == "slow":
            self._wait(caller)

    def _after(self, caller: Any, fault: str | None) -> None:
        """Let go wrong what goes wrong when the store has done it."""
        if fault == "slow reply":
            self._wait(caller)
        if fault == "dies after":
            self._world.kill(caller)
            raise Killed
        if fault in ("lost reply", "twice"):
            raise BrokerUnavailable("the reply was lost")

    def _fault(self) -> str | None:
        world = self._world
        if world.time < world.away_until and not world.calm:
            return "away"
        if not world.faults or world.chance.random() > _FAULTY:
            return None
        return world.chance.choices(FAULTS, _ODDS)[0]

    def _act(self, caller: Any, verb: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Have the store do it, and note what it did."""
        if verb == "tend":
            options["limit"] = self._tend_limit
        answer = getattr(caller.broker, verb)(*args, **options)
        note = getattr(self._world.history, verb, None)
        if callable(note):  # what history keeps may have the name of a question
            note(answer, *args, **options)
        return answer

    def _wait(self, caller: Any) -> None:
        """Let the others move while *caller* waits for the store; it may be killed meanwhile."""
        if self._world.depth < 2:
            running = asyncio._get_running_loop()
            asyncio._set_running_loop(None)
            try:
                contextvars.Context().run(self._world.interlude)
            finally:
                asyncio._set_running_loop(running)
        if not caller.alive:
            raise Killed
