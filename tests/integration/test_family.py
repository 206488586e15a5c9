"""Who has sent whom: roots, parents and children, as the store keeps them, and all that came of a task."""

import threading

import pytest

from celeriac import AsyncResult, chain, chord, context, group
from celeriac.errors import IncompleteStream, TaskRevokedError

SOON = 20.0  # seconds; nothing here takes that long


@pytest.fixture
def add(app):
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    return add


def kept(app, result):
    """The result by its id alone, as another process would hold it."""
    return AsyncResult(result.id, app)


def ids(results):
    return [result.id for result in results]


@pytest.mark.parametrize("executor", ["loop", "thread"])
def test_what_a_task_sends_are_its_children(app, add, executor):
    sent = []

    if executor == "loop":

        @app.task
        async def parent():
            sent.append(await add.adelay(1, 2))
            sent.extend(await add.adelay_many([(3, 4), (5, 6)]))

    else:

        @app.task
        def parent():
            sent.append(add.delay(1, 2))
            sent.extend(add.delay_many([(3, 4), (5, 6)]))

    with app.embedded():
        result = parent.delay()
        result.get(timeout=SOON)
        values = [child.get(timeout=SOON) for child in kept(app, result).children]

    assert ids(kept(app, result).children) == ids(sent)
    assert values == [3, 7, 11]
    for child in result.children:
        assert (child.root_id, child.parent_id, child.root) == (result.id, result.id, result)
    assert (result.root, result.root_id, result.parent_id) == (result, result.id, None)


def test_tasks_sent_by_name_are_children_too(app, add):
    @app.task(bind=True)
    def parent(self):
        return [app.send_task(add.name, (1, 2)).id, app.send_task("elsewhere.only").id]

    with app.embedded():
        result = parent.delay()
        assert ids(result.children or []) in ([], result.get(timeout=SOON))
        assert ids(result.children) == result.get(timeout=SOON)


def test_of_a_shape_that_a_task_sends_what_comes_first_is_its_child_and_the_rest_comes_of_it(app, add):
    @app.task
    def parent() -> str:
        return chain(add.s(1, 1), add.s(1), group(add.s(10), add.s(20)), add.si(0, 0)).delay().id

    with app.embedded():
        result = parent.delay()
        values = [value for _, value in kept(app, result).collect(timeout=SOON)]

    assert values == [result.get(), 2, 3, 13, 23, 0]
    assert len(result.children) == 1


def test_children_of_a_run_that_is_retried_are_kept(app, add):
    @app.task(bind=True, max_retries=1, default_retry_delay=0)
    def parent(self):
        child = add.delay(self.request.retries, 0).id
        if not self.request.retries:
            raise self.retry()
        return child

    with app.embedded():
        result = parent.delay()
        second = result.get(timeout=SOON)

    assert len(result.children) == 2
    assert result.children[1].id == second


def test_children_of_a_failure_are_kept(app, add):
    @app.task
    def parent():
        raise ValueError(add.delay(1, 2).id)

    with app.embedded():
        result = parent.delay()
        error = result.get(timeout=SOON, propagate=False)

    assert ids(result.children) == list(error.args)


def test_a_task_that_is_replaced_keeps_the_children_that_it_had(app, add):
    @app.task(bind=True)
    def parent(self):
        add.delay(1, 1)
        raise self.replace(add.s(2, 2))

    with app.embedded():
        result = parent.delay()
        assert result.get(timeout=SOON) == 4

    [child] = kept(app, result).children
    assert child.parent_id == result.id


def test_the_children_of_the_header_of_a_chord_are_its_body(app, add):
    @app.task
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    with app.embedded():
        result = chord([add.s(1, 1), add.s(2, 2)])(total.s().on_error(add.si(0, 0)))
        assert result.get(timeout=SOON) == 6

    for member in result.parent:
        assert ids(kept(app, member).children) == [result.id]
    assert kept(app, result).children == []


def test_iterdeps_gives_pairs_breadth_first_and_each_task_once(app, add):
    @app.task
    def leaf(number: int) -> int:
        return number

    @app.task
    def branch(number: int) -> list[str]:
        return [leaf.delay(number).id, leaf.delay(number + 1).id]

    @app.task
    def trunk() -> list[str]:
        return [branch.delay(10).id, branch.delay(20).id]

    with app.embedded():
        result = trunk.delay()
        branches = result.get(timeout=SOON)
        leaves = [each for one in result.children for each in one.get(timeout=SOON)]
        [AsyncResult(each, app).get(timeout=SOON) for each in leaves]

    pairs = [(parent and parent.id, child.id) for parent, child in result.iterdeps()]
    assert pairs == [
        (None, result.id),
        *((result.id, each) for each in branches),
        *((branches[0], each) for each in leaves[:2]),
        *((branches[1], each) for each in leaves[2:]),
    ]
    assert [value for _, value in result.collect()][3:] == [10, 11, 20, 21]


def test_iterdeps_says_when_a_task_has_not_ended(app):
    go = threading.Event()

    @app.task
    def slow():
        go.wait(SOON)

    with app.embedded():
        result = slow.delay()
        assert [child for _, child in result.iterdeps(intermediate=True)] == [result]
        pairs = result.iterdeps()
        assert next(pairs) == (None, result)
        with pytest.raises(IncompleteStream, match=f"task {result.id} has not ended"):
            next(pairs)
        go.set()
        assert [value for _, value in result.collect(timeout=SOON)] == [None]


def test_collect_raises_the_error_of_the_child_that_failed(app):
    @app.task
    def boom():
        raise ValueError("boom")

    @app.task
    def parent():
        boom.delay()

    with app.embedded():
        result = parent.delay()
        with pytest.raises(ValueError, match="boom"):
            list(result.collect(timeout=SOON))
        [_, (_, error)] = result.collect(propagate=False)

    assert isinstance(error, ValueError)
    assert not isinstance(error, TaskRevokedError)


def test_a_task_that_is_not_there_has_no_family(app):
    stranger = AsyncResult("never-sent", app)

    assert (stranger.children, stranger.root, stranger.root_id, stranger.parent_id) == (
        None,
        None,
        None,
        None,
    )


def test_of_very_many_children_the_first_are_kept(memory_app, monkeypatch):
    monkeypatch.setattr(context, "MOST_CHILDREN", 5)
    work = memory_app.task(name="work")(lambda n: n)

    @memory_app.task
    def parent() -> list[str]:
        return ids([work.delay(0), *work.delay_many([(n,) for n in range(9)]), work.delay(1)])

    with memory_app.embedded():
        result = parent.delay()
        sent = result.get(timeout=SOON)

    assert ids(result.children) == sent[:5]


def test_children_of_an_eager_run_are_known_too(app, add):
    @app.task
    def parent() -> str:
        return add.delay(1, 2).id

    result = parent.apply()

    assert ids(result.children) == [result.get()]
