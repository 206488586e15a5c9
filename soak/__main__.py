"""`make soak`, or `python -m soak kills|steady`: see the package."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from soak import kills, steady
from soak.processes import Site
from tests.servers import RedisServer
from tools.redis_server import KINDS, find


def main() -> int:
    """Run what was asked for on each store; return 1 if one came out badly."""
    options = _options()
    bad = 0
    for name in options.stores:
        for what in options.what:
            with _site(name, (kills if what == "kills" else steady).ENVIRONMENT) as site:
                verdict = _run(what, site, options)
            print(msgspec.json.format(msgspec.json.encode(verdict)).decode())
            print(f"{what} on {name}: {'good' if verdict.good else 'BAD'}", flush=True)
            bad += not verdict.good
    return min(bad, 1)


def _run(what: str, site: Site, options: argparse.Namespace) -> Any:
    def tell(text: str) -> None:
        print(f"  {what} on {site.url.partition(':')[0]}: {text}", file=sys.stderr, flush=True)

    if what == "kills":
        return kills.run(site, kills=options.kills, tasks=options.sent, seed=options.seed, tell=tell)
    return steady.run(site, minutes=options.minutes, tasks=options.tasks, rate=options.rate, tell=tell)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make soak", description="Long runs; some hours if all of it is asked for."
    )
    parser.add_argument("what", nargs="*", choices=("kills", "steady", []), default=["kills", "steady"])
    parser.add_argument("--stores", nargs="+", choices=("sqlite", "redis"), default=["sqlite", "redis"])
    parser.add_argument("--kills", type=int, default=1_000, help="at least so many (1,000)")
    parser.add_argument(
        "--sent", type=int, default=100_000, help="meanwhile at least so many tasks (100,000)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what is killed when")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the steady run (30)")
    parser.add_argument("--tasks", type=int, default=10_000_000, help="in it, at least (10,000,000)")
    parser.add_argument("--rate", type=float, default=6_000.0, help="of it, tasks a second at most (6,000)")
    return parser.parse_args()


@contextlib.contextmanager
def _site(name: str, environment: dict[str, str]) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="celeriac-soak-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        with contextlib.ExitStack() as stack:
            url = f"sqlite:///{folder}/soak.db" if name == "sqlite" else stack.enter_context(_redis(folder))
            site = Site(url, folder, **environment)
            stack.callback(site.close)
            yield site


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[str]:
    kind, program = next((kind, found) for kind in KINDS if (found := find(kind)) is not None)
    (folder / "server").mkdir()
    server = RedisServer(kind, program, folder / "server", args=(), config="appendonly yes\n")
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
