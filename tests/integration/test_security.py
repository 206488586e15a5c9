"""Signing and encryption, as an application sees them, and as somebody does who can write to its store."""

import logging
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from celeriac import Celeriac, chain, chord, group
from celeriac.broker import Broker, Report, Schedule, ScheduleChange, WorkerInfo
from celeriac.clock import SystemClock
from celeriac.errors import ConfigurationError, SecurityError
from celeriac.message import Delivery, Message
from celeriac.outcome import Settlement
from celeriac.sealing import SealedBroker
from celeriac.states import Verdict

KEY, OTHER = "the-first-key-" * 3, "the-other-key-" * 3
SOON = 20.0
ran: list[str] = []


def an_app(url: str, name: str = "secure", **conf) -> Celeriac:
    """An application with tasks of every kind."""
    app = Celeriac(name, broker=url, set_as_current=False, **conf)

    @app.task(name="shop.add")
    def add(x: int, y: int = 0) -> int:
        ran.append(f"add {x} {y}")
        return x + y

    @app.task(name="shop.pay")
    def pay(x: int, y: int = 0) -> str:
        ran.append(f"pay {x} {y}")
        return "paid"

    @app.task(name="shop.nothing")
    def nothing() -> None: ...

    @app.task(name="shop.total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.task(name="shop.fail")
    def fail() -> None:
        raise ValueError("no stock")

    @app.task(name="shop.told")
    def told(request, error, traceback) -> None:
        ran.append(f"told {request.task} {error}")

    _add_odd_tasks(app)
    return app


def _add_odd_tasks(app: Celeriac) -> None:
    """Those that retry, that others take the place of, that work on many calls."""

    @app.task(name="shop.steps", bind=True, max_retries=2, default_retry_delay=0)
    def steps(self) -> list[int]:
        done = (self.cursor or []) + [len(ran)]
        self.checkpoint(done, current=len(done), total=3)
        return done if len(done) == 3 else self.retry()

    @app.task(name="shop.instead", bind=True)
    def instead(self, depth: int) -> int:
        more = self.app.tasks["shop.instead"].s(depth - 1) if depth else task(app, "add").s(20, 22)
        return self.replace(more)

    @app.task(name="shop.instead_of_many", bind=True)
    def instead_of_many(self) -> int:
        return self.replace(chord([task(app, "add").s(n) for n in range(4)], task(app, "total").s()))

    @app.task(name="shop.all", batch_size=10, batch_wait=0.01)
    def all_at_once(items: list[int]) -> list[int]:
        return [item * 2 for item in items]


def task(app: Celeriac, name: str):
    return app.tasks[f"shop.{name}"]


@pytest.fixture(autouse=True)
def nothing_has_run() -> None:
    ran.clear()


@pytest.fixture(params=[False, True], ids=["signed", "encrypted"])
def shop(url: str, request, integration_namespace: str) -> Iterator[Celeriac]:
    with an_app(url, integration_namespace, security_keys=[KEY], security_encrypt=request.param) as app:
        yield app


@pytest.fixture
def integration_namespace(request) -> str:
    return f"secure-{abs(hash(request.node.name)) % 10**9}"


@pytest.fixture(params=[False, True], ids=["signed", "encrypted"])
def staged(request) -> Celeriac:
    return an_app("memory://", security_keys=[KEY], security_encrypt=request.param)


def behind(app: Celeriac) -> Broker:
    """The store itself, as somebody sees it who has the store's password, and no key."""
    assert isinstance(app.broker, SealedBroker)
    return app.broker.inner


def stored_call(app: Celeriac, task_id: str) -> Message:
    [record] = behind(app).get([task_id])
    assert record is not None
    return record.message


# --- what works as ever ---------------------------------------------------------------------------------


def test_nothing_of_an_encrypted_call_or_its_answer_can_be_read_in_the_store(shop):
    with shop.embedded():
        result = task(shop, "add").apply_async((3_141_592, 1), headers={"token": "tiger"})
        assert result.get(timeout=SOON) == 3_141_593

    [record] = behind(shop).get([result.id])
    everything = repr(record).encode()
    assert (b"3141592" in everything or b"tiger" in everything) is not shop.conf.security_encrypt
    assert b'"3141593"' not in everything
    assert record.result[:1] == record.message.payload[:1] == b"\xc1"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda app: task(app, "add").delay(1, 2), 3),
        (lambda app: task(app, "nothing").delay(), None),
        (lambda app: app.send_task("shop.add", (1,), {"y": 4}), 5),
        (lambda app: task(app, "steps").delay(), [0, 0, 0]),
        (lambda app: task(app, "instead").delay(2), 42),
        (lambda app: task(app, "instead_of_many").delay(), 6),
        (lambda app: chain(task(app, "add").s(1), task(app, "add").s(1)).delay(), 2),
        (lambda app: chain(task(app, "instead").s(1), task(app, "add").s(1)).delay(), 43),
        (lambda app: chord([task(app, "instead").s(0)] * 3, task(app, "total").s()).delay(), 126),
        (lambda app: group(task(app, "add").s(n) for n in range(3)).delay(), [0, 1, 2]),
        (lambda app: task(app, "add").delay_many([(1, 1), (2, 2)])[1], 4),
    ],
)
def test_every_kind_of_call_works_with_a_seal(staged, call, expected):
    with staged.test():
        result = call(staged)

        assert result.get(timeout=SOON) == expected


def test_each_call_of_a_batch_is_opened_and_answered(staged):
    with staged.test() as t:
        results = task(staged, "all").delay_many([(n,) for n in range(3)])
        t.advance(seconds=1)

        assert [result.get() for result in results] == [0, 2, 4]


def test_an_errback_is_told_of_the_failure(staged):
    with staged.test() as t:
        task(staged, "fail").apply_async(link_error=task(staged, "told").s())
        t.run_until_idle()

    assert ran == ["told shop.fail no stock"]


def test_the_next_of_a_chain_says_why_the_one_before_has_failed(staged):
    with staged.test() as t:
        result = chain(task(staged, "fail").si(), task(staged, "add").s(1)).delay()
        t.run_until_idle()

        assert "has failed: ValueError: no stock" in str(staged.AsyncResult(result.id).result)


def test_a_schedule_is_sent_by_who_runs_no_user_code(staged):
    staged.add_periodic_task(60.0, task(staged, "add").s(1, 1), name="each minute")
    with staged.test() as t:
        staged.schedules.add("more", 60.0, task(staged, "pay"), (2, 2))
        t.advance(minutes=3)

        assert sorted(set(ran)) == ["add 1 1", "pay 2 2"]
        assert staged.schedules.get("more").runs == 3
        assert staged.schedules.run("more").get() == "paid"


def test_progress_is_followed(staged):
    with staged.test():
        updates = list(task(staged, "steps").delay().updates())

    assert [update.current for update in updates if update.state == "PROGRESS"] != []


def test_an_isolated_process_works_on_what_is_sealed(isolated, monkeypatch):
    from tests.integration import isolated_jobs as jobs

    monkeypatch.setitem(jobs.app.conf.__dict__["_values"], "security_keys", (KEY,))
    with isolated("sqlite", concurrency=1) as app:
        result = jobs.where.delay()
        assert isinstance(result.get(timeout=SOON), int)
        assert stored_call(app, result.id).payload[:1] == b"\xc1"


def test_eager_calls_need_no_seal(staged):
    staged.conf.task_always_eager = True

    assert task(staged, "add").delay(1, 2).get() == 3


# --- calls that cannot be trusted -----------------------------------------------------------------------


FORGERIES: dict[str, tuple[Callable[[Message], dict[str, object]], str]] = {
    "its id": (lambda sent: {}, "moved here from elsewhere"),
    "its name": (lambda sent: {"name": "shop.pay"}, "moved here from elsewhere"),
    "its arguments": (lambda sent: {"payload": sent.payload[:-3] + b"9]]"}, "it was changed"),
    "its signature": (lambda sent: {"payload": b"[[1,2],{}]"}, "it is not signed"),
    "its key": (lambda sent: {"payload": b"\xc1sABCD" + bytes(40)}, "no longer, among security_keys"),
}


def forged(app: Celeriac, changes: Callable[[Message], dict[str, object]]) -> str:
    """Send a copy of a call with *changes*, behind the application's back; return its id."""
    sent = task(app, "add").apply_async((1, 2), queue="elsewhere")
    message = stored_call(app, sent.id)
    copy = replace(message, **{"id": f"copy-of-{sent.id}", "queue": "default", **changes(message)})
    behind(app).send([copy], SystemClock.now())
    return copy.id


@pytest.mark.parametrize("what", FORGERIES)
def test_a_call_with_another_id_name_payload_or_signature_fails_and_does_not_run(shop, what):
    changes, why = FORGERIES[what]
    copy = forged(shop, changes)

    with shop.embedded():
        result = shop.AsyncResult(copy)
        with pytest.raises(SecurityError, match=why):
            result.get(timeout=SOON)
        assert task(shop, "add").delay(2, 2).get(timeout=SOON) == 4  # the worker goes on
    assert (ran, result.state) == (["add 2 2"], "FAILURE")


def test_a_refused_call_is_in_the_dead_letter_and_was_not_retried(shop):
    copy = forged(shop, FORGERIES["its id"][0])
    with shop.embedded(), pytest.raises(SecurityError):
        shop.AsyncResult(copy).get(timeout=SOON)
    with shop.embedded():
        task(shop, "nothing").delay().get(timeout=SOON)

    [record] = behind(shop).get([copy])
    assert (record.state.name, record.retries) == ("FAILED", 0)


def test_what_is_refused_is_told_to_hooks_and_log(staged, caplog):
    caplog.set_level(logging.WARNING, "celeriac.security")
    with staged.test() as t:
        sent = task(staged, "add").delay(1, 2)
        t.broker.forget([sent.id])
        t.broker.send([replace(stored_call(staged, sent.id), id="copied")], t.clock.now())
        t.run_until_idle()

    [refused] = [record for record in caplog.records if record.message == "call refused"]
    assert (refused.id, refused.task) == ("copied", "shop.add")


def moved(app: Celeriac, t, **changes) -> str:
    """Let a call vanish from the store, and come back with *changes* under its own id; return its state."""
    sent = task(app, "add").apply_async((1, 2), queue="elsewhere")
    message = stored_call(app, sent.id)
    t.broker.purge("elsewhere", t.clock.now())
    t.broker.forget([sent.id])
    t.broker.send([replace(message, **changes)], t.clock.now())
    return sent.id


def test_a_call_cannot_be_moved_to_another_queue(staged):
    with staged.test(queues=["default"]) as t:
        task_id = moved(staged, t, queue="default")

        with pytest.raises(SecurityError, match="another queue"):
            staged.AsyncResult(task_id).get()
    assert ran == []


def test_a_call_cannot_cost_more_workers_than_was_agreed(staged):
    with staged.test() as t:
        task_id = moved(staged, t, crash_limit=1_000)
        t.run_until_idle()

        with pytest.raises(SecurityError, match="another crash_limit"):
            staged.AsyncResult(task_id).get()
    assert ran == []


def test_a_failed_call_is_run_again_from_the_dead_letter(staged):
    with staged.test() as t:
        sent = task(staged, "fail").apply_async(expires=60)
        t.run_until_idle()
        [dead] = t.broker.dead().records
        t.advance(days=20)

        assert [record.error for record in staged.broker.dead().records] != [dead.error]
        assert staged.broker.requeue([sent.id], t.clock.now()) == [True]
        t.run_until_idle()

        assert isinstance(sent.result, ValueError)


@pytest.mark.parametrize(("days", "runs"), [(44, 2), (46, 1)])
def test_a_replay_of_what_was_forgotten_is_refused_after_the_maximal_age(staged, days, runs):
    with staged.test() as t:
        sent = task(staged, "add").delay(1, 2)
        message = stored_call(staged, sent.id)
        sent.get()
        sent.forget()

        t.advance(days=days)
        t.broker.send([message], t.clock.now())
        t.run_until_idle()

        assert ran == ["add 1 2"] * runs
        assert isinstance(staged.AsyncResult(sent.id).result, SecurityError) is (runs == 1)


def test_the_maximal_age_counts_from_the_moment_that_a_call_was_meant_for(staged):
    with staged.test() as t:
        task(staged, "add").apply_async((1, 2), countdown=90 * 86_400)
        t.advance(days=91)

    assert ran == ["add 1 2"]


def test_a_replay_while_the_first_one_is_known_changes_nothing(staged):
    with staged.test() as t:
        sent = task(staged, "add").delay(1, 2)
        sent.get()

        assert t.broker.send([stored_call(staged, sent.id)], t.clock.now()) == 0
        t.run_until_idle()

    assert ran == ["add 1 2"]


# --- answers that cannot be trusted ---------------------------------------------------------------------


class Thief:
    """A worker without a key."""

    def __init__(self, app: Celeriac) -> None:
        self.store, self.trips = behind(app), 0
        names = frozenset(app.tasks)
        self.store.enlist(WorkerInfo("thief", "thief", names=names, lease=600.0), SystemClock.now())

    def trip(self, *finished: Settlement, want: int = 0) -> list[Delivery]:
        self.trips += 1
        answer = self.store.exchange(
            "thief", trip=self.trips, finished=finished, want=want, now=SystemClock.now()
        )
        return list(answer.claims)

    def answer(self, verdict: Verdict, body: bytes) -> str:
        [claim] = self.trip(want=1)
        self.trip(Settlement(claim.id, claim.fence, verdict, body))
        return claim.id


def test_a_result_that_was_not_signed_is_not_taken(shop):
    sent = task(shop, "add").delay(1, 2)
    Thief(shop).answer(Verdict.SUCCEEDED, b"42")

    with pytest.raises(SecurityError, match="is not signed"):
        sent.get(timeout=SOON)
    assert sent.state == "FAILURE"
    assert [update.error_type for update in sent.updates(timeout=SOON)] == ["celeriac.errors.SecurityError"]


def test_a_result_that_was_taken_away_is_not_none(shop):
    sent = task(shop, "add").delay(1, 2)
    Thief(shop).answer(Verdict.SUCCEEDED, b"")

    with pytest.raises(SecurityError, match="is not signed"):
        sent.get(timeout=SOON)


def test_a_result_of_another_task_is_not_taken(shop):
    with shop.embedded():
        first = task(shop, "add").delay(1, 2)
        first.get(timeout=SOON)
    second = task(shop, "add").delay(3, 4)
    [record] = behind(shop).get([first.id])
    Thief(shop).answer(Verdict.SUCCEEDED, record.result)

    with pytest.raises(SecurityError, match="moved here from elsewhere"):
        second.get(timeout=SOON)


def test_an_error_that_was_not_signed_shows_nothing_of_its_text(shop):
    sent = task(shop, "add").delay(1, 2)
    Thief(shop).answer(Verdict.FAILED, b'{"type":"builtins.ValueError","message":"call 555-0199"}')

    with pytest.raises(SecurityError, match="error is not signed") as caught:
        sent.get(timeout=SOON)
    assert "555-0199" not in str(caught.value)


def test_the_next_of_a_chain_does_not_run_with_a_forged_result(shop):
    result = chain(task(shop, "add").s(1, 2), task(shop, "add").s(1)).delay()
    Thief(shop).answer(Verdict.SUCCEEDED, b"1000000")

    with shop.embedded(), pytest.raises(SecurityError):
        result.get(timeout=SOON)
    assert ran == []


def test_a_chord_does_not_add_up_a_forged_result(shop):
    result = chord([task(shop, "add").s(1)], task(shop, "total").s()).delay()
    Thief(shop).answer(Verdict.SUCCEEDED, b"1000000")

    with shop.embedded(), pytest.raises(SecurityError):
        result.get(timeout=SOON)


def test_an_errback_is_not_told_a_forged_error(shop):
    task(shop, "fail").apply_async(link_error=task(shop, "told").s())
    Thief(shop).answer(Verdict.FAILED, b'{"type":"builtins.ValueError","message":"forged"}')

    with shop.embedded():
        task(shop, "nothing").delay().get(timeout=SOON)
    assert not any("forged" in line for line in ran)


def test_progress_that_was_not_signed_is_not_shown(shop):
    sent = task(shop, "add").delay(1, 2)
    thief = Thief(shop)
    [claim] = thief.trip(want=1)
    thief.store.report("thief", [Report(claim.id, claim.fence, meta=b'{"current":99}')], SystemClock.now())

    assert sent.info is None


def test_a_task_does_not_go_on_from_a_checkpoint_that_was_not_signed(shop):
    sent = task(shop, "steps").delay()
    thief = Thief(shop)
    [claim] = thief.trip(want=1)
    thief.store.report("thief", [Report(claim.id, claim.fence, checkpoint=b"[1,2]")], SystemClock.now())
    thief.trip(Settlement(claim.id, claim.fence, Verdict.RELEASE))

    with shop.embedded(), pytest.raises(SecurityError, match="is not signed"):
        sent.get(timeout=SOON)


def test_a_task_cannot_be_turned_into_one_that_only_brings_others_together(staged):
    from celeriac.message import After

    with staged.test() as t:
        payload = stored_call(staged, task(staged, "add").delay(1, 2).id).payload
        t.broker.send([Message("fake", "shop.add", payload=payload, after=After(join=True))], t.clock.now())

        with pytest.raises(SecurityError):
            staged.AsyncResult("fake").get()


# --- schedules ------------------------------------------------------------------------------------------


def test_a_schedule_that_was_not_signed_sends_nothing_and_is_kept_as_it_is(staged, caplog):
    with staged.test() as t:
        staged.schedules.add("mine", 60.0, task(staged, "add"), (1, 1))
        [mine] = t.broker.schedules()
        forged = Schedule("forged", mine.entry, due=t.clock.now(), memory=mine.memory, token="x")
        t.broker.advance([ScheduleChange("forged", "", forged)], t.clock.now())

        t.advance(minutes=1)

        assert ran == ["add 1 1"]
        [kept] = t.broker.schedules(["forged"])
        assert (kept.entry, kept.memory) == (mine.entry, mine.memory)
    assert "schedule not understood" in caplog.text


def test_a_schedule_that_nobody_can_read_can_be_removed_or_replaced(staged):
    with staged.test() as t:
        for name in ("one", "two"):
            bad = Schedule(name, b"{}", due=t.clock.now() + 1e6, memory=b"{}", token="x")
            t.broker.advance([ScheduleChange(name, "", bad)], t.clock.now())

        staged.schedules.remove("one")
        staged.schedules.replace("two", 60.0, task(staged, "add"), (1, 1))
        t.advance(minutes=1)

    assert ran == ["add 1 1"]


# --- keys, and the way there ----------------------------------------------------------------------------


@pytest.fixture
def apps(url_of) -> Iterator[Callable[..., Celeriac]]:
    """Make applications on one store."""
    url, made = url_of("sqlite"), list[Celeriac]()

    def make(**conf) -> Celeriac:
        made.append(an_app(url, **conf))
        return made[-1]

    yield make
    for app in made:
        app.close()


def test_keys_are_changed_while_tasks_wait(apps):
    old, both, new = apps(security_keys=[OTHER]), apps(security_keys=[KEY, OTHER]), apps(security_keys=[KEY])
    before = task(old, "add").delay(1, 1)
    with both.embedded():
        assert both.AsyncResult(before.id).get(timeout=SOON) == 2
        after = task(new, "add").delay(2, 2)
        assert after.get(timeout=SOON) == 4

    with pytest.raises(SecurityError, match="no longer, among security_keys"):
        new.AsyncResult(before.id).get(timeout=SOON)


def test_signing_is_introduced_in_three_steps_without_losing_a_task(apps):
    plain = apps()
    prepared = apps(security_keys=[KEY], security_unsigned="send")
    signing = apps(security_keys=[KEY], security_unsigned="accept")
    strict = apps(security_keys=[KEY])

    for sender, worker in [(plain, prepared), (prepared, plain), (prepared, signing), (signing, prepared)]:
        with worker.embedded():
            assert task(sender, "add").delay(1, 1).get(timeout=SOON) == 2
    for sender, worker in [(signing, strict), (strict, signing)]:
        with worker.embedded():
            assert task(sender, "add").delay(1, 1).get(timeout=SOON) == 2
    with strict.embedded(), pytest.raises(SecurityError, match="security_unsigned"):
        strict.AsyncResult(task(prepared, "add").delay(1, 1).id).get(timeout=SOON)


def test_a_worker_without_keys_says_what_it_lacks(apps):
    signed, plain = apps(security_keys=[KEY]), apps()
    sent = task(signed, "add").delay(1, 1)

    with plain.embedded(), pytest.raises(SecurityError, match="this process has no security_keys"):
        plain.AsyncResult(sent.id).get(timeout=SOON)


def test_encryption_without_a_key_is_refused_at_once(apps):
    with pytest.raises(ConfigurationError, match="security_encrypt needs a key"):
        apps(security_encrypt=True).broker.open()


def test_nothing_stands_before_the_store_without_keys(app):
    assert not isinstance(app.broker, SealedBroker)
