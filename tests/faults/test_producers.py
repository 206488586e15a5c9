"""Who sends is killed in the middle of it: what was accepted is there, and never a part of a group."""

from __future__ import annotations

import random
import subprocess
import sys

from tests.waiting import wait_until

SIZE = 10
SEND = f"""
import sys, time
from celeriac.brokers import connect
from celeriac.message import Message

broker = connect(sys.argv[1], namespace="shop")
number = 0
while True:
    ids = [f"{{sys.argv[2]}}-{{number}}-{{each}}" for each in range({SIZE})]
    broker.send([Message(each, "shop.add") for each in ids], time.time())
    print(number, flush=True)
    number += 1
"""


def killed_after(url: str, name: str, folder, groups: int) -> int:
    """Let a producer send until it has said *groups* times that a group is stored; return the last one."""
    said = folder / f"said-{name}"
    with said.open("wb") as out:
        producer = subprocess.Popen([sys.executable, "-c", SEND, url, name], stdout=out)
    try:
        wait_until(lambda: said.read_bytes().count(b"\n") >= groups, 20, what="groups to be sent")
    finally:
        producer.kill()
        producer.wait()
    return int(said.read_text().split()[-1])


def test_a_killed_producers_groups_are_stored_whole_or_not_at_all(shop, store_url, tmp_path):
    chance = random.Random(2026)

    for number in range(3):
        last = killed_after(store_url, f"p{number}", tmp_path, chance.randrange(20, 200))

        groups = [[f"p{number}-{group}-{each}" for each in range(SIZE)] for group in range(last + 3)]
        stored = [[record is not None for record in shop.broker.get(ids)] for ids in groups]
        assert all(all(group) for group in stored[: last + 1])
        assert all(all(group) == any(group) for group in stored)
        assert not any(stored[-1])
