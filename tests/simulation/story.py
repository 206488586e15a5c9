"""A story: a seed and its steps. It can be played, shortened while it still fails, and told."""

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from celeriac.broker import Broker
from tests.simulation import shop
from tests.simulation.actors import populate
from tests.simulation.stores import a_store
from tests.simulation.world import START, Broken, Step, World, seeded

LENGTHS = (50, 50, 50, 100, 300)  # steps
FLAWLESS = 8  # so manieth stories are played without faults
PATIENCE = 60.0  # seconds for shortening


class Story(NamedTuple):
    """What is played.

    Attributes:
        store: the kind of store. kind: the class of its brokers; None for the usual one.
    """

    store: str
    seed: int
    steps: tuple[Step, ...]
    kind: type[Broker] | None = None


class End(NamedTuple):
    """What has become of a story: `broken` says what does not hold after so many steps, "" for nothing."""

    broken: str
    log: list[tuple[float, str]]
    tasks: int
    steps: int


def a_story(store: str, seed: int, kind: type[Broker] | None = None) -> Story:
    """Return the story that *seed* tells."""
    chance = random.Random(seed)
    length = chance.choice(LENGTHS)
    faults = seed % FLAWLESS > 0
    return Story(store, seed, tuple(Step(chance.getrandbits(32), faults) for _ in range(length)), kind)


def replayed(store: str, seed: int, steps: Sequence[Any]) -> Story:
    """Return the story that `told` has written: steps without faults are pairs there."""
    return Story(store, seed, tuple(Step(*step) if isinstance(step, tuple) else Step(step) for step in steps))


def play(story: Story) -> End:
    """Play *story*, let the cluster calm down, and say what does not hold."""
    with a_store(story.store, story.kind) as store:
        flawless = not any(step.faults for step in story.steps)
        world = World(store, story.seed, flawless=flawless)
        shop.enter(world)
        with seeded(world):
            try:
                broken = _played(world, story)
            finally:
                world.close()
        return End(broken, world.log, len(world.history.tasks), world.steps)


def _played(world: World, story: Story) -> str:
    try:
        populate(world)
        for step in story.steps:
            world.step(step)
        world.calm_down()
    except Broken as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - nobody foresaw it, so it is wrong too
        return f"{type(error).__name__} {error}"
    return ""


# --- shortening -----------------------------------------------------------------------------------------


def shortest(story: Story, patience: float = PATIENCE) -> Story:
    """Return a story that fails like *story*, with as few steps and faults as are found in time (seconds)."""
    end = time.monotonic() + patience
    first = play(story)
    like, story = _kind_of(first.broken), story._replace(steps=story.steps[: first.steps])
    size = len(story.steps) // 2
    while size and time.monotonic() < end:
        for shorter in _without(story, size):
            if time.monotonic() > end:
                break
            if _kind_of(play(shorter).broken) == like:
                story = shorter
                break
        else:
            size //= 2
    return _calmest(story, like, end)


def _without(story: Story, size: int) -> Iterator[Story]:
    """Leave out each stretch of so many steps, the last first."""
    for start in range(len(story.steps) - size, -1, -size):
        yield story._replace(steps=story.steps[:start] + story.steps[start + size :])


def _calmest(story: Story, like: str, end: float) -> Story:
    """Take the faults out of each step that does not need them."""
    for place, step in enumerate(story.steps):
        steps = (*story.steps[:place], step._replace(faults=False), *story.steps[place + 1 :])
        calmer = story._replace(steps=steps)
        if step.faults and time.monotonic() < end and _kind_of(play(calmer).broken) == like:
            story = calmer
    return story


def _kind_of(broken: str) -> str:
    """Return what is wrong, without names and numbers."""
    return " ".join(word for word in broken.split() if word.isalpha())


# --- telling --------------------------------------------------------------------------------------------


def told(story: Story, end: End) -> str:
    """Write what happened, for people, and how to play it again."""
    lines = [f"{moment - START:9.3f}  {text}" for moment, text in end.log]
    faults = sum(step.faults for step in story.steps)
    head = f"seed {story.seed} on {story.store}, {len(story.steps)} steps, {faults} with faults: {end.broken}"
    return "\n".join([head, *lines, "steps = " + repr(_plain(story.steps))])


def _plain(steps: Sequence[Step]) -> list[Any]:
    return [step.number if step.faults else (step.number, False) for step in steps]
