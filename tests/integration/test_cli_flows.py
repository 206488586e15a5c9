"""`celeriac flows`: which chains and chords wait, and one of them as a tree."""

import pytest

from celeriac import chain, chord, group
from tests.waiting import wait_until

pytest_plugins = ["tests.integration.shop"]


@pytest.fixture
def small(shop):
    """A chord of two tasks, and what comes behind it; nobody works."""
    return chord([shop.add.s(1), shop.add.s(2)], shop.add.si(3) | shop.greet.si("end")).delay()


def test_flows_in_which_tasks_wait_are_listed(shop, small):
    shop.add.delay(1)

    answer, objects = shop.cli("flows"), shop.cli("flows", "--json").objects

    assert answer.code == 0
    assert answer.out.splitlines()[0].split() == ["id", "task", "waiting"]
    assert len(answer.out.splitlines()) == 2
    assert [each["kind"] for each in objects] == ["flow", "page"]
    assert (objects[0]["name"], objects[0]["waiting"]) == ("shop.add", 2)
    assert shop.cli("flows", objects[0]["id"]).code == 0


def test_none_is_told_beside_the_answer(shop):
    answer = shop.cli("flows")

    assert (answer.code, answer.out) == (0, "")
    assert "no task waits for another one" in answer.err


def test_a_flow_is_a_tree_of_what_waits_for_what(shop, small):
    lines = shop.cli("flows", small.id).out.splitlines()

    head, *tree = lines
    assert head.startswith("shop.add  ░░░░░░░░░░░░░░░░░░░░ 0 of 4 have ended: 4 PENDING")
    assert [line.partition("  PENDING")[0].rstrip() for line in tree] == [
        "├─ shop.add",
        "│  └─ join",
        "│     └─ shop.add",
        "│        └─ shop.greet",
        "└─ shop.add",
        "   └─ join",
    ]
    assert tree[-1].endswith("(its rest stands above)")


def test_what_runs_tells_how_far_it_is(working):
    last = chain(working.long.s(), working.add.si(1)).delay()
    assert working.reached.wait(20)
    wait_until(lambda: working.app.search("state:progress").tasks, 20, what="the report in the store")
    [running] = working.app.search("state:progress").tasks

    answer = working.cli("flows", running.id)

    assert "0 of 2 have ended: 1 PENDING, 1 PROGRESS" in answer.out
    assert f"shop.long  PROGRESS  {running.id}  ███████████████░░░░░ 3/4 three" in answer.out
    assert "\\x1b[31m of four" in answer.out
    assert last.id in answer.out


def test_a_large_group_is_one_line(shop):
    body = chord([shop.add.s(number) for number in range(13)], shop.add.si(1)).delay()
    shop.app.broker.cancel([small_one(shop)], shop.app.clock.now())

    answer = shop.cli("flows", body.id)
    [flow] = shop.cli("flows", body.id, "--json").objects

    assert "shop.add × 13  █░░░░░░░░░░░░░░░░░░░ 1 of 13 have ended: 12 PENDING, 1 REVOKED" in answer.out
    assert (flow["total"], flow["complete"]) == (14, True)
    assert [(twig["count"], twig["children"][0]["join"]) for twig in flow["tree"]] == [(13, True)]


def small_one(shop):
    return shop.app.search("queue:default state:queued", count=1).tasks[0].id


def test_a_group_is_found_by_its_id_and_twelve_are_not_folded(shop):
    sent = group(shop.add.s(number) for number in range(12)).delay()

    tree = shop.cli("flows", sent.id).out.splitlines()[1:]

    assert sum("shop.add" in line for line in tree) == 12


def test_an_unknown_task_and_one_alone(shop):
    alone = shop.add.delay(1)

    assert shop.cli("flows", "nobody").code == 4
    assert shop.cli("flows", alone.id).out.splitlines()[1] == f"└─ shop.add  PENDING  {alone.id}"
