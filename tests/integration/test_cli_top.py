"""`celeriac top`: one frame as text, and the screen with its keys."""

import asyncio
import sys
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from celeriac.acting import acting
from celeriac.broker import Found
from celeriac.cli import top
from celeriac.cli.top_screen import Question, Top
from celeriac.clock import ManualClock
from celeriac.errors import BrokerUnavailable, MissingExtra
from celeriac.message import Message, Record
from celeriac.states import State
from celeriac.tally import FAILED, SUCCEEDED, Tally, begin

pytest_plugins = ["tests.integration.shop"]


@pytest.fixture
def busy(shop):
    now = shop.app.clock.now()
    tallies = [
        Tally(begin(now) - 60, "mail", "shop.greet", {SUCCEEDED: 90, FAILED: 10}),
        Tally(begin(now) - 60, "gone", "shop.greet", {SUCCEEDED: 3}),
    ]
    shop.app.broker.count("teller", 1, tallies, now)
    for queue in ("mail", "slow", "slow"):
        shop.add.apply_async((1,), queue=queue)
    return shop


# --- one frame ----------------------------------------------------------------------------------------


def test_without_a_terminal_one_frame_is_printed(busy):
    answer = busy.cli("top")

    assert answer.code == 0
    head, _, _, gone, mail, slow = answer.out.splitlines()
    assert "0 workers" in head
    assert "3 queued" in head
    assert gone.split()[:4] == ["gone", "0", "0", "0"]
    assert mail.split()[:2] == ["mail", "1"]
    assert "█" in mail
    assert slow.split()[:6] == ["slow", "2", "0", "0", "0", "0"]


def test_workers_are_in_the_frame(working):
    answer = working.cli("top", "--once")

    assert "celeriac@" in answer.out
    assert "1 worker, 0 of 16 slots busy" in answer.out


def test_what_runs_is_in_the_frame_the_longest_first(working):
    sent = working.long.delay()
    assert working.reached.wait(20)

    text, objects = working.cli("top", "--once").out, working.cli("top", "--json").objects
    working.go_on.set()

    assert text.splitlines()[-1].split()[-1] == sent.id
    [running] = [each for each in objects if each["kind"] == "running"]
    assert (running["id"], running["name"]) == (sent.id, "shop.long")
    assert running["worker"] in {worker.id for worker in working.app.control.workers()}


def test_the_longest_run_stands_first():
    def started(at):
        message = Message(id=f"t-{at}", name="n", queue="q", payload=b"", created=0.0)
        return Record(message, State.RUNNING, started=at)

    records = [started(at) for at in (50.0, 10.0, 30.0)]
    app = SimpleNamespace(
        clock=ManualClock(60.0),
        broker=SimpleNamespace(
            queues=list, workers=lambda now: [], find=lambda *_: Found(records, ("",) * 3)
        ),
        stats=lambda **_: None,
    )

    rows = top.running_rows(top.look(app))

    assert [(row[0], row[-1]) for row in rows] == [("50 s", "t-10.0"), ("30 s", "t-30.0"), ("10 s", "t-50.0")]


def test_a_frame_in_json(busy):
    objects = busy.cli("top", "--json").objects

    assert [each["kind"] for each in objects] == ["queue", "queue", "total", "total", "total"]


def test_rates_are_those_of_the_last_minutes(busy):
    seen = top.look(busy.app)

    done, failed = top.rates(seen.statistics.series["mail"])
    assert 20 <= float(done) <= 25
    assert 2 <= float(failed) <= 2.5
    assert top.rates(None) == ("0", "0")


def test_a_missing_textual_is_told_with_what_to_install(busy, monkeypatch):
    monkeypatch.delitem(sys.modules, "celeriac.cli.top_screen")
    monkeypatch.setitem(sys.modules, "textual", None)

    with pytest.raises(MissingExtra, match=r"celeriac\[top\]"):
        top._show(busy.app, "here", interval=1, read_only=False)


# --- the screen ---------------------------------------------------------------------------------------


@asynccontextmanager
async def on_screen(shop, **options):
    screen = Top(shop.app, "the store", interval=60, **options)
    async with screen.run_test(size=(140, 40)) as pilot:
        await settled(screen, pilot)
        yield screen, pilot


async def settled(screen, pilot):
    await screen.workers.wait_for_complete()
    await pilot.pause()
    await screen.workers.wait_for_complete()
    await pilot.pause()


def text_of(screen, name):
    return str(screen.query_one(f"#{name}").render())


def in_thread(call):
    """Run a coroutine on a loop of its own."""
    return asyncio.run(call)


def test_the_screen_shows_queues_and_how_much_there_is(busy):
    async def look():
        async with on_screen(busy) as (screen, _):
            shown = screen._table("queues")
            names = [str(shown.get_row_at(place)[0]) for place in range(shown.row_count)]
            return text_of(screen, "head"), names

    head, names = in_thread(look())

    assert "3 queued" in head
    assert names == ["gone", "mail", "slow"]


@pytest.mark.parametrize(("answer", "is_paused"), [("y", True), ("n", False), ("enter", False)])
def test_a_dangerous_key_asks_first(busy, answer, is_paused):
    async def pause():
        async with on_screen(busy) as (screen, pilot):
            await pilot.press("down", "P")
            assert isinstance(screen.screen, Question)
            await pilot.press(answer)
            await settled(screen, pilot)
            return text_of(screen, "told")

    told = in_thread(pause())

    assert [queue.name for queue in busy.app.broker.queues() if queue.paused] == ["mail"] * is_paused
    assert told == ("mail: paused" if is_paused else "")


def test_a_queue_is_purged_and_resumed(busy):
    busy.app.pause("slow")

    async def change():
        async with on_screen(busy) as (screen, pilot):
            await pilot.press("down", "down", "R", "y")
            await settled(screen, pilot)
            await pilot.press("X", "y")
            await settled(screen, pilot)
            return text_of(screen, "told")

    assert in_thread(change()) == "slow: 2 tasks cancelled"
    assert [queue.name for queue in busy.app.broker.queues()] == ["mail"]


def test_running_tasks_are_listed_and_one_is_revoked(working):
    sent = working.long.delay()
    assert working.reached.wait(20)

    async def revoke():
        async with on_screen(working) as (screen, pilot):
            shown = str(screen._table("running").get_row_at(0)[1])
            await pilot.press("C")
            question = str(screen.screen.query_one("Static").render())
            await pilot.press("y")
            await settled(screen, pilot)
            return shown, question, text_of(screen, "told")

    with acting("ana@web-1"):
        shown, question, told = in_thread(revoke())
    working.go_on.set()

    assert shown == "shop.long"
    assert f"never run it again: the task {sent.id}?" in question
    assert told.startswith(f"{sent.id}: stopping")
    assert working.app.broker.get([sent.id])[0].cancelled
    assert [(deed.who, deed.verb, deed.target) for deed in working.app.activity()] == [
        ("ana@web-1", "revoke --terminate", sent.id)
    ]


def test_a_worker_is_drained_and_claims_again(working):
    async def steer():
        async with on_screen(working) as (screen, pilot):
            told = []
            for key in ("D", "U"):
                await pilot.press(key, "y")
                await settled(screen, pilot)
                told.append(text_of(screen, "told").rpartition(": ")[2])
            return told

    with acting("ana@web-1"):
        told = in_thread(steer())

    assert told == ["drains", "claims again"]
    assert [deed.verb for deed in working.app.activity()] == ["resume", "drain"]


def test_a_key_without_a_choice_asks_nothing(busy):
    async def press():
        async with on_screen(busy) as (screen, pilot):
            told = []
            for key in ("C", "D"):
                await pilot.press(key)
                told.append(text_of(screen, "told"))
            return told, isinstance(screen.screen, Question)

    assert in_thread(press()) == (["choose a running task first", "choose a worker first"], False)


def test_read_only_has_no_dangerous_keys(busy):
    async def press():
        async with on_screen(busy, read_only=True) as (screen, pilot):
            await pilot.press("down", "P", "X", "C", "D", "U")
            return isinstance(screen.screen, Question)

    assert not in_thread(press())


def test_what_was_seen_last_stays_while_the_store_is_away(busy, monkeypatch):
    async def lose():
        async with on_screen(busy) as (screen, pilot):

            def away(_):
                raise BrokerUnavailable("nobody answers")

            monkeypatch.setattr("celeriac.cli.top_screen.look", away)
            await pilot.press("r")
            await settled(screen, pilot)
            return text_of(screen, "told"), screen._table("queues").row_count

    assert in_thread(lose()) == ("the store is away, trying again: nobody answers", 3)


def test_the_chosen_queue_stays_chosen_when_others_come(busy):
    async def choose():
        async with on_screen(busy) as (screen, pilot):
            await pilot.press("down")
            busy.add.apply_async((1,), queue="another")
            await pilot.press("r")
            await settled(screen, pilot)
            return screen._chosen("queues"), screen._table("queues").cursor_row

    assert in_thread(choose()) == ("mail", 2)
