"""`watch` against real stores: lines, JSON, bars in a terminal, and the exit codes."""

import json
import signal

from celeriac import chord, group
from tests.integration.command_line import UPDATE_KEYS, reading, terminal

pytest_plugins = ["tests.integration.shop"]


def test_watch_writes_lines_until_all_have_ended(working):
    done, running = working.add.delay(1, 2), working.long.delay()
    assert working.reached.wait(20)
    done.get(20)

    with reading(*working.where, "watch", done.id, running.id, done.id, cwd=working.folder) as watch:
        watch.wait_for("PROGRESS")
        working.go_on.set()
        code = watch.end()

    assert code == 0
    assert f"{done.id}  SUCCESS  3" in watch.lines[:3]  # its progress may be on the way to the store yet
    assert f"{running.id}  PROGRESS  3/4  three \\x1b[31m of four" in watch.lines[:3]
    assert watch.lines[-1] == f"{running.id}  SUCCESS  done"


def test_watch_in_json_writes_each_update(working):
    sent = working.long.delay()
    assert working.reached.wait(20)

    with reading(*working.where, "watch", sent.id, "--json", cwd=working.folder) as watch:
        watch.wait_for("PROGRESS")
        working.go_on.set()
        code = watch.end()

    updates = [json.loads(line) for line in watch.lines]
    assert code == 0
    assert all(update.keys() == UPDATE_KEYS for update in updates)
    first, last = updates[0], updates[-1]
    assert (first["state"], first["current"], first["total"], first["ready"]) == ("PROGRESS", 3, 4, False)
    assert (last["state"], last["result"], last["ready"]) == ("SUCCESS", "done", True)


def test_watch_shows_how_far_the_group_is_that_a_task_waits_for(working):
    body = chord([working.long.s(), working.add.s(1)], working.add.si(2)).delay()
    assert working.reached.wait(20)

    with reading(*working.where, "watch", body.id, cwd=working.folder) as watch:
        watch.wait_for("1.75/2  1 of 2 have ended")
        working.go_on.set()
        assert watch.end() == 0

    assert watch.lines[-1].startswith(f"{body.id}  SUCCESS")


def test_watch_reads_ids_from_standard_input(working):
    ids = [working.add.delay(number).id for number in range(3)]

    answer = working.cli("watch", "-", "--json", stdin="\n".join(ids))

    assert {line["id"] for line in answer.objects} == set(ids)
    assert working.cli("watch", "-", stdin="").code == 2


def test_watch_shows_what_fits_a_filter(working):
    done, bad, other = working.add.delay(1), working.fail.delay("x"), working.greet.delay("y")
    for result in (done, bad, other):
        result.get(20, propagate=False)

    both = working.cli("watch", "name:shop.add|shop.fail", "--json")
    without = working.cli("watch", "-state:failed", "-name:shop.greet", "--json")
    more = working.cli("watch", other.id, "state:success", "--json")
    none = working.cli("watch", "name:nothing")

    assert (both.code, {line["id"] for line in both.objects}) == (1, {done.id, bad.id})
    assert (without.code, {line["id"] for line in without.objects}) == (0, {done.id})
    assert sorted(line["id"] for line in more.objects) == sorted([done.id, other.id])
    assert (none.code, none.out, "no such task" in none.err) == (0, "", True)


def test_a_filter_that_cannot_be_read_is_told(shop):
    answer = shop.cli("watch", "state:fialed")

    assert answer.code == 2
    assert "expected one of" in answer.err


def test_the_id_of_a_group_means_its_members(working):
    loose = group(working.add.s(number) for number in range(3)).delay()
    saved = group(working.add.s(number) for number in range(3)).delay()
    saved.save()
    members = {result.id for result in (*loose, *saved)}

    answer = working.cli("watch", loose.id, saved.id, "--json", "--timeout", "20")

    assert answer.code == 0
    assert {line["id"] for line in answer.objects} == members | {saved.id}


def test_the_exit_code_tells_the_worst_outcome(working):
    good, bad = working.add.delay(1), working.fail.delay("x")
    revoked = working.add.apply_async((1,), countdown=3600)
    revoked.revoke()
    bad.get(20, propagate=False)

    assert working.cli("watch", good.id).code == 0
    assert working.cli("watch", good.id, revoked.id).code == 6
    assert working.cli("watch", good.id, revoked.id, bad.id).code == 1
    assert working.cli("watch", good.id, revoked.id, bad.id, "nobody").code == 4


def test_watch_gives_up_in_time(shop):
    ids = [shop.add.delay(1).id, shop.add.delay(2).id]

    answer = shop.cli("watch", *ids, "--timeout", "0.1")

    assert answer.code == 124
    assert "2 tasks have not ended within 0.1 s" in answer.err
    assert answer.attempts[0].endswith(f"watch {ids[0]} {ids[1]}")


def test_watch_draws_bars_in_a_terminal(working):
    sent = working.long.delay()
    assert working.reached.wait(20)

    with terminal(*working.where, "watch", sent.id, cwd=working.folder) as screen:
        screen.wait_for("3/4")
        working.go_on.set()
        code = screen.end()

    assert code == 0
    assert "━" in screen.shown
    assert "\\x1b[31m of four" in screen.shown
    assert "SUCCESS" in screen.shown


def test_what_fits_a_filter_has_bars_in_a_terminal(working):
    sent = working.long.delay()
    working.greet.apply_async(("you",), queue="nobody")
    assert working.reached.wait(20)

    with terminal(*working.where, "watch", "state:running", "-queue:nobody", cwd=working.folder) as screen:
        screen.wait_for("3/4")
        working.go_on.set()
        code = screen.end()

    assert code == 0
    assert "━" in screen.shown
    assert sent.id in screen.shown


def test_bars_can_do_without_colours(working):
    sent = working.add.delay(1)

    with terminal("--no-color", *working.where, "watch", sent.id, cwd=working.folder) as screen:
        assert screen.end() == 0

    assert "SUCCESS" in screen.shown
    assert "\x1b[3" not in screen.shown


def test_a_terminal_without_abilities_gets_lines(working):
    sent = working.add.delay(1)

    with terminal(*working.where, "watch", sent.id, cwd=working.folder) as screen:
        assert screen.end() == 0
        assert "\x1b[" in screen.shown
    with terminal(*working.where, "watch", sent.id, cwd=working.folder, NO_COLOR="1") as screen:
        assert screen.end() == 0


def test_an_interrupted_watch_leaves_the_tasks_alone(working):
    sent = working.long.delay()
    assert working.reached.wait(20)

    with terminal(*working.where, "watch", sent.id, cwd=working.folder) as screen:
        screen.wait_for("3/4")
        screen.process.send_signal(signal.SIGINT)
        code = screen.end()

    assert code == 130
    assert "the tasks run on" in screen.shown
    assert f"watch {sent.id}" in screen.shown
    working.go_on.set()
    assert sent.get(20) == "done"


def test_a_mistyped_field_of_a_filter_is_no_id(shop):
    mistyped, an_id = shop.cli("watch", "stat:running"), shop.cli("watch", "order:17")

    assert mistyped.code == 2
    assert "is it state:?" in mistyped.err
    assert (an_id.code, "order:17" in an_id.err) == (4, True)
