"""Chains, groups and chords, carried by a store to a worker: what comes of each shape, and when it fails."""

import asyncio
import json
import threading
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from celeriac import AsyncResult, GroupResult, Signature, chain, chord, chunks, group, signature
from celeriac.errors import (
    ChordError,
    ConfigurationError,
    InvalidArguments,
    InvalidMessage,
    InvalidName,
    NotRegistered,
    TaskRevokedError,
    UnknownTask,
)
from celeriac.graphs import Graph, Node

SOON = 20.0  # seconds; nothing here takes that long


@pytest.fixture
def tasks(app):
    """Some tasks, and what some of them have noted."""
    known = SimpleNamespace(notes=[], go=threading.Event())
    for define in (_arithmetic, _notes, _bound, _reporting):
        for name, function in define(app, known).items():
            setattr(known, name, app.task(function, bind=define in (_bound, _reporting)))
    return known


def _arithmetic(app, known):
    def add(x: int, y: int) -> int:
        return x + y

    async def mul(x: int, y: int) -> int:
        return x * y

    def total(numbers: list[int]) -> int:
        return sum(numbers)

    def same(value):
        return value

    def boom(*args):
        raise ValueError("boom")

    def run_it(what) -> str:
        return app.signature(what).delay().id

    return {"add": add, "mul": mul, "total": total, "same": same, "boom": boom, "run_it": run_it}


def _notes(app, known):
    def note(*args):
        known.notes.append(args)
        return list(args)

    def note_id(task_id):
        known.notes.append(task_id)

    def note_error(request, exc, traceback):
        known.notes.append((request.id, request.task, request.args, exc, traceback))

    return {"note": note, "note_id": note_id, "note_error": note_error}


def _bound(app, known):
    def second_time(self, x):
        if self.request.retries == 0:
            raise self.retry(countdown=0)
        return x

    def who(self, *_):
        return [self.request.root_id, self.request.parent_id, self.request.group]

    def power(self, x: int, n: int) -> int:
        if n == 0:
            return 1
        raise self.replace(known.power.s(x, n - 1) | known.mul.s(x))

    def fan_out(self, n: int):
        return self.replace(group(known.add.s(each, each) for each in range(n)))

    def into(self, what):
        return self.replace(app.signature(what))

    return {
        "second_time": second_time, "who": who, "power": power, "fan_out": fan_out, "into": into,
    }  # fmt: skip


def _reporting(app, known):
    def half(self, what):
        self.progress(1, 2)
        assert known.go.wait(SOON)

    def one_more(self, x: int) -> int:
        if x > 0:
            self.add_to_chord(known.one_more.s(x - 1))
        return x

    return {"half": half, "one_more": one_more}


@pytest.fixture
def worker(app, tasks):
    with app.embedded() as worker:
        yield worker


def the(result):
    """What *result* comes to."""
    return result.get(timeout=SOON)


# --- signatures -------------------------------------------------------------------------------------------


def test_a_signature_is_a_call_for_later(tasks, worker):
    assert the(tasks.add.s(2, 3).delay()) == 5
    assert the(tasks.add.s(2).delay(5)) == 7  # what is added comes first
    assert the(tasks.add.s(y=1).apply_async((4,))) == 5
    assert the(tasks.add.si(2, 3).delay(9)) == 5
    assert the(tasks.add.signature((1,), {"y": 2}, priority=3).delay()) == 3
    assert tasks.add.s(2, 3)() == 5


def test_a_signature_survives_json(app, tasks, worker):
    whole = chain(tasks.add.s(1, 2), group(tasks.add.s(1), tasks.mul.s(2)), tasks.total.s())

    copy = json.loads(json.dumps(whole))

    assert type(copy) is dict
    assert signature(copy, app=app) == whole
    assert the(app.signature(copy).delay()) == 10


def test_a_signature_can_be_an_argument_of_a_task(app, tasks, worker):
    sent = the(tasks.run_it.delay(tasks.add.s(2, 2) | tasks.mul.s(10)))

    assert the(app.AsyncResult(sent)) == 40


def test_clone_set_and_freeze(app, tasks, worker):
    first = tasks.add.s(1).set(priority=4)
    second = first.clone((5,), queue="other")

    assert (first.args, second.args) == ([1], [5, 1])
    assert (first.options, second.options) == ({"priority": 4}, {"priority": 4, "queue": "other"})
    promised = first.freeze()
    assert first.delay(1) == promised
    assert the(promised) == 2
    assert repr(second) == f"{tasks.add.name}(5, 1)"


# --- shapes -----------------------------------------------------------------------------------------------


def test_a_chain_hands_results_on(tasks, worker):
    result = chain(tasks.add.s(2, 2), tasks.add.s(4), tasks.mul.s(8)).delay()

    assert the(result) == 64
    assert [result.parent.get(), result.parent.parent.get()] == [8, 4]
    assert result.parent.parent.parent is None


def test_a_link_that_has_failed_is_shown_with_what_it_was_given(app, tasks, worker):
    link = chain(tasks.add.s(1, 2), tasks.boom.s("mine")).delay()
    body = chord([tasks.add.s(1, 2), tasks.add.s(3, 4)])(tasks.boom.s())

    for result in (link, body):
        result.get(timeout=SOON, propagate=False)

    assert app.view(link.id).args == [3, "mine"]
    assert app.view(body.id).args == [[3, 7]]


def test_what_has_been_given_nothing_yet_is_shown_as_it_was_sent(app, tasks):
    link = chain(tasks.add.s(1, 2), tasks.boom.s("mine")).delay()

    assert app.view(link.id).args == ["mine"]
    app.broker.forget([link.parent.id])
    assert app.view(link.id).args == ["mine"]


def test_immutable_links_take_nothing(tasks, worker):
    assert the((tasks.add.s(2, 2) | tasks.add.si(4, 1) | tasks.mul.s(2)).delay()) == 10


def test_a_group_runs_all(tasks, worker):
    result = group(tasks.add.s(n, n) for n in range(10)).delay()

    assert isinstance(result, GroupResult)
    assert len(result) == 10
    assert the(result) == [n + n for n in range(10)]
    assert (result.ready(), result.successful(), result.failed(), result.waiting()) == (
        True,
        True,
        False,
        False,
    )
    assert (result.completed_count(), result.state) == (10, "SUCCESS")
    assert (result[3].get(), [each.get() for each in result][4]) == (6, 8)


def test_arguments_of_a_group_go_to_all(tasks, worker):
    assert the(group(tasks.add.s(1), tasks.mul.s(3)).delay(10)) == [11, 30]


def test_a_chord_calls_its_body_with_all_results(tasks, worker):
    result = chord((tasks.add.s(n, n) for n in range(5)), tasks.total.s()).delay()

    assert the(result) == 20
    assert the(result.parent) == [0, 2, 4, 6, 8]
    assert the(chord([tasks.add.s(1, 1)])(tasks.total.s())) == 2


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda t: group(t.add.s(1, 1), t.add.s(2, 2)) | t.total.s(), 6),
        (lambda t: t.add.s(1, 1) | group(t.add.s(1), t.add.s(2)) | t.total.s(), 7),
        (lambda t: t.add.s(1, 1) | group(t.add.s(1), t.add.s(2)), [3, 4]),
        (lambda t: group(t.add.s(1, 1)) | t.total.s(), 2),
        (lambda t: group(group(t.add.s(1, 1), t.add.s(2, 2)), t.add.s(3, 3)) | t.same.s(), [2, 4, 6]),
        (lambda t: chord([], t.total.s()), 0),
        (lambda t: chord([], t.same.s()) | t.same.s(), []),
        (lambda t: t.add.s(1, 1) | group() | t.same.s(), []),
        (lambda t: chord([t.add.s(1, 1) | t.add.s(1), t.add.s(2, 2)], t.total.s() | t.mul.s(10)), 70),
        (lambda t: chord([chord([t.add.s(1, 1)] * 2, t.total.s()), t.add.s(1, 1)], t.total.s()), 6),
        (lambda t: chord([t.add.s(1, 1)] * 2, group(t.total.s(), t.same.s())), [4, [2, 2]]),
        (lambda t: chord([t.add.s(1, 1)], chord([t.total.s(), t.total.s()], t.total.s())), 4),
        (lambda t: group(t.add.s(1, 1), t.add.s(2, 2)) | group(t.total.s(), t.same.s()), [6, [2, 4]]),
        (lambda t: chord([t.add.s(1, 1) | group(t.add.s(1), t.add.s(2))], t.same.s()), [3, 4]),
        (lambda t: chord([t.add.s(1, 1)], t.total.s()) | t.add.s(1) | t.add.s(1), 4),
        (lambda t: chord([t.add.s(1, 1)] * 2, t.total.si([5])), 5),
        (lambda t: t.add.map([[1, 2]]) if False else t.same.map([1, "two", None]), [1, "two", None]),
        (lambda t: t.add.starmap([(1, 2), (3, 4)]), [3, 7]),
        (lambda t: t.mul.starmap([(1, 2), (3, 4)]), [2, 12]),
        (lambda t: t.add.chunks([(n, n) for n in range(5)], 2), [[0, 2], [4, 6], [8]]),
        (lambda t: t.add.chunks([(n, n) for n in range(3)], 2).group() | t.same.s(), [[0, 2], [4]]),
        (lambda t: chain(t.add.s(1, 1)), 2),
        (lambda t: chain([t.add.s(1, 1), t.add.s(1)]) | chain(t.add.s(1), t.add.s(1)), 5),
        (lambda t: t.same.s({"a": ["ü", 1.5]}) | t.same.s() | t.note.s("b"), [{"a": ["ü", 1.5]}, "b"]),
        (lambda t: t.note_id.s("x") | t.note.s(), [None]),
    ],
)  # fmt: skip
def test_shapes_within_shapes(tasks, worker, build, expected):
    shape = build(tasks)

    assert the(shape.delay()) == expected
    assert the(shape.apply()) == expected


def test_an_empty_group_has_ended(tasks, worker):
    result = group().delay()

    assert the(result) == []
    assert result.ready()
    assert result.successful()


def test_options_of_a_shape_count_for_what_is_in_it(app, tasks):
    result = chain(tasks.add.s(1, 1), tasks.add.s(1).set(queue="own")).apply_async(queue="some", priority=3)

    first, last = app.broker.get([result.parent.id, result.id])

    assert (first.message.queue, first.message.priority) == ("some", 3)
    assert (last.message.queue, last.message.priority) == ("some", 3) or last.message.queue == "own"


def test_a_countdown_of_a_chain_is_that_of_its_first_and_an_id_that_of_its_last(app, tasks):
    result = chain(tasks.add.s(1, 1), tasks.add.s(1)).apply_async(countdown=60, task_id="mine")

    assert result.id == "mine"
    assert app.broker.get([result.parent.id])[0].due is not None
    assert app.broker.get(["mine"])[0].message.after.countdown is None


def test_a_countdown_of_a_link_counts_from_its_release(tasks, worker):
    result = chain(tasks.add.s(1, 1), tasks.add.s(1).set(countdown=0.05)).delay()

    assert the(result) == 3


def test_coroutines_send_and_wait_likewise(tasks, worker):
    async def there():
        sent = await chain(tasks.add.s(1, 1), group(tasks.add.s(1), tasks.mul.s(2))).adelay()
        return await sent, await (await chord([tasks.add.s(1, 1)], tasks.total.s()).aapply_async())

    assert asyncio.run(there()) == ([3, 4], 2)


# --- callbacks ----------------------------------------------------------------------------------------------


def until(condition):
    from tests.waiting import wait_until

    wait_until(condition, what="a callback")


def test_a_callback_gets_the_result(tasks, worker):
    the(tasks.add.apply_async((1, 2), link=tasks.note.s("linked")))

    until(lambda: tasks.notes == [(3, "linked")])


def test_callbacks_of_shapes(tasks, worker):
    whole = chain(tasks.add.s(1, 1), tasks.add.s(1))
    whole.link(tasks.note.s("chain"))
    the(whole.delay())
    until(lambda: tasks.notes == [(3, "chain")])

    several = group(tasks.add.s(1, 1), tasks.add.s(2, 2))
    several.link(tasks.note.si("group"))
    the(several.delay())
    until(lambda: tasks.notes[1:] == [("group",)])

    united = chord([tasks.add.s(1, 1)], tasks.total.s())
    united.link(tasks.note.s("chord"))
    the(united.delay())
    until(lambda: tasks.notes[2:] == [(2, "chord")])


def test_an_errback_of_the_old_style_gets_the_id(tasks, worker):
    result = tasks.boom.apply_async((), link_error=tasks.note_id.s())

    until(lambda: tasks.notes == [result.id])
    assert result.failed()


def test_an_errback_of_the_new_style_gets_request_error_and_traceback(tasks, worker):
    result = tasks.boom.s("some").on_error(tasks.note_error.s()).delay()

    until(lambda: tasks.notes)
    [(task_id, name, args, error, traceback)] = tasks.notes
    assert (task_id, name, args) == (result.id, tasks.boom.name, ("some",))
    assert isinstance(error, ValueError)
    assert "boom" in traceback


@pytest.mark.parametrize(
    "build",
    [
        lambda t: chain(t.boom.s(), t.add.s(1), t.add.s(1)),
        lambda t: chord([t.boom.s(), t.add.s(1, 1)], t.total.s()),
        lambda t: group(t.add.s(1, 1), t.boom.s()),
        lambda t: chain(t.add.s(1, 1), chord([t.boom.s(), t.boom.s()], t.total.s())),
    ],
)
def test_the_errback_of_a_shape_runs_once_and_is_told_who_failed(app, tasks, worker, build):
    shape = build(tasks).on_error(tasks.note_error.s())
    errback_ran = len(tasks.notes)

    result = shape.delay()
    with pytest.raises((ValueError, ChordError)):
        the(result)

    until(lambda: len(tasks.notes) > errback_ran)
    assert the(tasks.add.delay(1, 1)) == 2
    [(_, name, _, error, _)] = tasks.notes
    assert name == tasks.boom.name
    assert isinstance(error, ValueError)


# --- failure ------------------------------------------------------------------------------------------------


def test_a_chain_raises_what_its_link_raised(tasks, worker):
    result = chain(tasks.add.s(1, 1), tasks.boom.s(), tasks.add.s(1), tasks.add.s(1)).delay()

    with pytest.raises(ValueError, match="boom"):
        the(result)
    assert result.state == "FAILURE"
    assert the(result.parent.parent.parent) == 2


def test_a_chord_says_which_of_its_header_failed_and_why(tasks, worker):
    result = chord([tasks.add.s(1, 1), tasks.boom.s()], tasks.total.s()).delay()

    with pytest.raises(
        ChordError, match=r"task \w+, which it waited for, has failed: ValueError: boom"
    ) as caught:
        the(result)
    assert result.parent[1].id in str(caught.value)
    assert the(result.parent[0]) == 2


def test_a_group_tells_of_errors_or_returns_them(tasks, worker):
    result = group(tasks.add.s(1, 1), tasks.boom.s()).delay()

    with pytest.raises(ValueError, match="boom"):
        the(result)
    first, second = result.get(timeout=SOON, propagate=False)
    assert (first, str(second)) == (2, "boom")
    assert (result.failed(), result.successful(), result.completed_count(), result.state) == (
        True,
        False,
        1,
        "FAILURE",
    )


def test_a_retried_link_hands_on_what_it_returns_in_the_end(app, tasks, worker):
    assert the(chain(tasks.add.s(1, 1), tasks.second_time.s(), tasks.add.s(1)).delay()) == 3
    assert the(chord([tasks.second_time.s(4), tasks.add.s(1, 1)], tasks.total.s()).delay()) == 6


def test_revoking_a_link_revokes_what_comes_after_it(tasks):
    result = chain(tasks.add.s(1, 1), tasks.add.s(1), tasks.add.s(1)).delay()

    assert result.parent.revoke()

    assert [result.state, result.parent.state, result.parent.parent.state] == [
        "REVOKED",
        "REVOKED",
        "PENDING",
    ]
    with pytest.raises(TaskRevokedError):
        the(result)


def test_a_group_can_be_revoked_and_forgotten(tasks):
    result = group(tasks.add.s(1, 1), tasks.add.s(2, 2)).delay()

    assert result.revoke() == 2
    assert result.state == "REVOKED"
    assert result.forget() == 2


# --- results ------------------------------------------------------------------------------------------------


def test_results_come_as_they_end_or_in_order(app, tasks, worker):
    result = group(tasks.add.s(n, n) for n in range(20)).delay()

    assert sorted(result.iterate(timeout=SOON)) == [n + n for n in range(20)]
    assert list(result.iterate(timeout=SOON, ordered=True)) == [n + n for n in range(20)]
    heard = []
    assert result.get(timeout=SOON, callback=lambda task_id, value: heard.append((task_id, value))) == []
    assert sorted(heard) == sorted((each.id, each.get()) for each in result)


def test_a_group_is_saved_and_restored(app, tasks, worker):
    result = group(tasks.add.s(n, n) for n in range(3)).delay().save()

    again = GroupResult.restore(result.id, app)

    assert again == result
    assert the(again) == [0, 2, 4]
    assert app.GroupResult("nobody") is None
    assert the(app.AsyncResult(result.id)) == [0, 2, 4]


def test_the_header_of_a_chord_can_be_restored_by_its_id(app, tasks, worker):
    result = chord([tasks.add.s(1, 1), tasks.add.s(2, 2)], tasks.total.s()).delay()
    the(result)

    assert GroupResult.restore(result.parent.id, app) == result.parent


def test_a_task_may_wait_for_any_others(app, tasks, worker):
    parents = [tasks.add.delay(n, n) for n in range(3)]

    result = tasks.note.apply_async(("last",), after=parents)

    assert the(result) == ["last"]
    assert all(parent.successful() for parent in parents)


def test_links_know_root_parent_and_group(app, tasks, worker):
    result = chain(tasks.who.s(), tasks.who.s(), group(tasks.who.si(), tasks.who.si())).delay()
    first = result.parent.parent

    assert the(first) == [first.id, None, None]
    assert the(result.parent) == [first.id, first.id, None]
    assert the(result) == [[first.id, result.parent.id, result.id]] * 2


# --- inside a task ------------------------------------------------------------------------------------------


def test_a_task_can_be_replaced_again_and_again(tasks, worker):
    assert the(tasks.power.delay(2, 5)) == 32
    assert tasks.power.s(2, 3).apply().get() == 8


def test_a_task_that_a_group_replaces_has_the_list_of_its_results(tasks, worker):
    assert the(tasks.fan_out.delay(3)) == [0, 2, 4]


def test_who_waits_for_a_task_waits_for_what_replaces_it(tasks, worker):
    assert the((tasks.fan_out.s(3) | tasks.total.s()).delay()) == 6
    assert the(chord([tasks.power.s(2, 3), tasks.add.s(1, 1)], tasks.total.s()).delay()) == 10
    assert the(tasks.into.delay(chord([tasks.add.s(1, 1)], tasks.total.s()))) == 2


def test_a_task_fails_as_what_replaces_it_fails(tasks, worker):
    result = (tasks.into.s(tasks.boom.s()) | tasks.add.s(1)).delay()

    with pytest.raises(ValueError, match="boom"):
        the(result.parent)
    with pytest.raises((ValueError, ChordError), match="boom"):
        the(result)


def test_a_task_cannot_be_replaced_by_what_cannot_be_sent(app, tasks, worker):
    with pytest.raises(NotRegistered):
        the(tasks.into.delay(app.signature("no.such.task")))


def test_a_header_can_grow_while_it_runs(tasks, worker):
    result = chord([tasks.one_more.s(3), tasks.add.s(10, 10)], tasks.same.s()).delay()

    assert the(result) == [3, 20, 2, 1, 0]


def test_a_task_in_no_chord_adds_to_none(tasks, worker):
    with pytest.raises(ConfigurationError, match="is in no chord"):
        the(tasks.one_more.delay(1))


# --- looking at it ------------------------------------------------------------------------------------------


def test_the_progress_of_a_group_adds_up_that_of_its_members(app, tasks, worker):
    result = group(tasks.add.s(n, n) for n in range(4)).delay()

    seen = list(result.updates(timeout=SOON))

    assert [update.id for update in seen[:1]] == [result.id]
    assert [update.current for update in seen] == sorted(update.current for update in seen)
    last = seen[-1]
    assert (last.state, last.current, last.total, last.ready) == ("SUCCESS", 4, 4, True)


def test_a_member_that_is_half_done_counts_half(app, tasks):
    result = group(tasks.half.s("go"), tasks.add.s(1, 1)).delay()
    seen = []
    with app.embedded():
        for update in result.updates(timeout=SOON):
            seen.append((update.state, update.current))
            if update.current == 1.5:
                tasks.go.set()

    assert ("PROGRESS", 1.5) in seen
    assert seen[-1] == ("SUCCESS", 2)


@pytest.mark.parametrize("of", ["the body", "the join"])
def test_what_waits_for_a_group_tells_how_far_it_is(app, tasks, of):
    result = chord([tasks.half.s("go"), tasks.add.s(1, 1)], tasks.same.s()).delay()
    [join] = app.broker.parents(result.id)
    followed = result.id if of == "the body" else join
    seen = []
    with app.embedded():
        for update in app.updates([followed], timeout=SOON):
            seen.append((update.id, update.state, update.current, update.total))
            if update.current == 1.5:
                tasks.go.set()

    assert (followed, "PROGRESS", 1.5, 2) in seen
    assert seen[-1][:2] == (followed, "SUCCESS")
    assert {each[0] for each in seen} == {followed}


def test_coroutines_hear_how_far_a_group_is_that_something_waits_for(app, tasks):
    async def there(body):
        async for update in body.aupdates(timeout=SOON):
            if update.current == 1.5:
                tasks.go.set()
            yield update.current

    async def all_of(body):
        return [current async for current in there(body)]

    with app.embedded():
        assert 1.5 in asyncio.run(
            all_of(chord([tasks.half.s("go"), tasks.add.s(1, 1)], tasks.same.s()).delay())
        )


def test_a_group_that_fails_says_so_in_its_progress(tasks, worker):
    result = group(tasks.boom.s(), tasks.add.s(1, 1)).delay()

    last = list(result.updates(timeout=SOON))[-1]

    assert (last.state, last.error, last.error_type) == ("FAILURE", "boom", "builtins.ValueError")
    assert [update.ready for update in group().delay().updates()] == [True]


def test_coroutines_follow_groups_too(tasks, worker):
    async def there():
        result = await group(tasks.add.s(n, n) for n in range(3)).adelay()
        return [update.current async for update in result.aupdates(timeout=SOON)][-1]

    assert asyncio.run(there()) == 3


def test_a_graph_shows_who_waits_for_whom(app, tasks, worker):
    result = chain(tasks.add.s(1, 1), group(tasks.add.s(1), tasks.boom.s()), tasks.total.s()).delay()
    result.get(timeout=SOON, propagate=False)

    graph = result.graph()

    names = {node.id: node.name.rpartition(".")[2] for node in graph.nodes.values()}
    assert sorted(names.values()) == ["add", "add", "boom", "group", "total"]
    assert sorted((names[parent], names[child]) for parent, child in graph.edges) == [
        ("add", "add"), ("add", "boom"), ("add", "group"), ("boom", "group"), ("group", "total"),
    ]  # fmt: skip
    assert {node.state for node in graph.nodes.values()} == {"SUCCESS", "FAILURE"}
    assert graph.complete
    assert graph.dot().count("->") == 5
    drawing = ET.fromstring(graph.svg())
    assert len(drawing.findall("{http://www.w3.org/2000/svg}g")) == 5


def test_a_large_graph_is_drawn_in_part(tasks):
    result = group(tasks.add.s(n, n) for n in range(50)).delay().save()

    graph = result.graph(most=10)

    assert (len(graph.nodes), graph.complete) == (10, False)


def test_strange_names_are_text_in_a_drawing():
    node = Node("<id>", 'a<script>"', 'PENDING"')
    graph = Graph({"<id>": node}, [])

    assert "<script>" not in graph.svg()
    ET.fromstring(graph.svg())
    assert '"a<script>\\"' in graph.dot()
    assert Graph({}, []).svg().startswith("<svg")


# --- bad input ----------------------------------------------------------------------------------------------


def test_nothing_is_sent_when_a_part_cannot_be(app, tasks):
    good = tasks.add.s(1, 1)
    deep = good
    for _ in range(1_000):
        deep = chord([deep], tasks.total.s())
    for error, shape in [
        (NotRegistered, lambda: chain(good, app.signature("no.such.task"))),
        (InvalidArguments, lambda: chain(good, tasks.add.s())),
        (InvalidArguments, lambda: chord([good], tasks.add.s(1, 2))),
        (InvalidArguments, lambda: good.clone().on_error(tasks.add.s(1, 2, 3))),
        (TypeError, lambda: chain(good, tasks.same.si(object()))),
        (InvalidMessage, lambda: chain()),
        (InvalidMessage, lambda: chord([good])),
        (InvalidMessage, lambda: chain(good, tasks.add)),
        (InvalidMessage, lambda: chain(good, 5)),
        (InvalidMessage, lambda: good.clone(colour="red")),
        (InvalidMessage, lambda: good.clone(priority=11)),
        (InvalidName, lambda: good.clone(task_id="with space")),
        (InvalidMessage, lambda: deep),
        (InvalidMessage, lambda: signature({"task": "x", "subtask_type": "tree"})),
        (InvalidMessage, lambda: signature({"no": "task"})),
        (InvalidMessage, lambda: tasks.add.chunks([(1, 2)], 0)),
        (UnknownTask, lambda: good.clone(after=["nobody"])),
    ]:
        with pytest.raises(error):
            shape().delay()

    assert app.broker.queues() == []


def test_tasks_that_are_known_elsewhere_only_can_be_in_a_shape(app, tasks):
    result = chain(tasks.add.s(1, 1), app.signature("else.where", remote=True)).delay()

    assert app.broker.get([result.id])[0].message.name == "else.where"


def test_a_result_that_is_gone_fails_who_would_be_given_it(app, tasks):
    result = chain(tasks.add.s(1, 1), tasks.add.s(1)).delay()
    options = app.broker.get([result.id])[0].message.options.replace(
        result.parent.id.encode(), b"gone-by-hand"
    )
    broken = app.broker.get([result.id])[0].message
    from msgspec.structs import replace

    app.publish([replace(broken, id="broken", options=options, after=None)])
    with app.embedded(), pytest.raises(UnknownTask, match="gone-by-hand"):
        app.AsyncResult("broken").get(timeout=SOON)


def test_always_eager_runs_shapes_here(app, tasks):
    app.conf.task_always_eager = True

    assert chain(tasks.add.s(1, 1), tasks.add.s(1)).delay().get() == 3
    assert group(tasks.add.s(1, 1), tasks.mul.s(2, 3)).delay().get() == [2, 6]
    assert chord([tasks.add.s(1, 1)], tasks.total.s()).delay().get() == 2


def test_a_chain_is_a_signature_too(tasks):
    shape = tasks.add.s(1, 1) | tasks.add.s(2)

    assert isinstance(shape, Signature)
    assert repr(shape) == f"{tasks.add.name}(1, 1) | {tasks.add.name}(2)"
    assert isinstance(chunks(tasks.add.s(), [(1, 2)], 1).freeze(), AsyncResult)
