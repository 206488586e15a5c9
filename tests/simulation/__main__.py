"""Play many stories: `python -m tests.simulation --seeds 10000 --store sqlite --from 1`."""

import argparse
import sys
import time

from tests.simulation.stores import STORES
from tests.simulation.story import a_story, play, shortest, told


def main() -> int:
    """Play the stories that the command line asks for; return 1 when one fails, told as short as it goes."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed")
    parser.add_argument("--store", choices=STORES, default="memory")
    parser.add_argument("--whole", action="store_true", help="tell a story that fails as it is")
    given = parser.parse_args()
    begun, tasks = time.monotonic(), 0
    for seed in range(given.first, given.first + given.seeds):
        story = a_story(given.store, seed)
        end = play(story)
        tasks += end.tasks
        if end.broken:
            story = story if given.whole else shortest(story)
            print(told(story, play(story)))
            return 1
    seconds = time.monotonic() - begun
    print(f"{given.seeds} stories with {tasks} tasks on {given.store}: {given.seeds / seconds:.1f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
