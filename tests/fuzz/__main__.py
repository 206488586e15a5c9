"""The long form: ``python -m tests.fuzz --inputs 1000000 [--seed 1] [--only schedule]``."""

import argparse
import resource
import sys
import time

from tests.fuzz.drive import Broken, feed
from tests.fuzz.targets import TARGETS

ROUND = 2_000  # inputs for one reader in turn
MOST_GROWTH = 100 * 1024  # KiB of memory


def main(arguments: list[str]) -> int:
    """Give as many inputs as are wanted to all readers in turn; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    given = parser.parse_args(arguments)
    targets = [target for target in TARGETS if given.only in target.name]
    taken = dict.fromkeys((target.name for target in targets), 0)
    began, done, seed, grown = time.monotonic(), 0, given.seed, 0
    while done < given.inputs:
        for target in targets:
            try:
                taken[target.name] += feed(target, ROUND, seed)
            except Broken as broken:
                print(f"FAILED with seed {seed}: {broken}", file=sys.stderr)
                return 1
            done += ROUND
        seed += 1
        grown = grown or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown
    for name, count in taken.items():
        print(f"{name:28} {count:>9,} taken for good")
    took = time.monotonic() - began
    print(f"{done:,} inputs in {took:,.0f} s; memory grew by {growth:,} KiB; all in order")
    return int(growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
