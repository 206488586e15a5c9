"""`extend`: a join that still waits is made to wait for more."""

import pytest

from celeriac.errors import UnknownTask
from celeriac.message import After
from celeriac.states import State
from celeriac.testing.contract.given import a_message, failed, ids, state_of, succeeded


@pytest.fixture
def join(broker, clock):
    """A join of one task, which is returned with it."""
    parent = a_message()
    join = a_message(after=After((parent.id,), join=True))
    broker.send([parent, join], clock.now())
    return parent, join


def test_a_join_waits_for_what_is_added(broker, clock, enlist, join):
    parent, joined = join
    new = a_message()

    assert broker.extend(joined.id, [new], [new.id], clock.now())

    worker = enlist()
    first, second = worker.claim_all()
    worker.settles(succeeded(first))
    assert state_of(broker, joined) is State.WAITING
    worker.settles(succeeded(second))
    assert state_of(broker, joined) is State.SUCCEEDED
    assert broker.parents(joined.id) == [parent.id, new.id]
    assert broker.dependants(new.id) == [joined.id]


def test_a_graph_is_added_by_its_ends(broker, clock, enlist, join):
    _, joined = join
    first = a_message()
    last = a_message(after=After((first.id,)))

    assert broker.extend(joined.id, [first, last], [last.id], clock.now())

    worker = enlist()
    worker.settles(*map(succeeded, worker.claim_all()))
    assert state_of(broker, joined) is State.WAITING
    worker.settles(*map(succeeded, worker.claim_all()))
    assert state_of(broker, joined) is State.SUCCEEDED


def test_it_may_be_repeated(broker, clock, enlist, join):
    _, joined = join
    new = a_message()
    for _ in range(3):
        assert broker.extend(joined.id, [new], [new.id], clock.now())

    worker = enlist()
    worker.settles(*map(succeeded, worker.claim_all()))

    assert state_of(broker, joined) is State.SUCCEEDED


@pytest.mark.parametrize("end", [succeeded, failed])
def test_what_does_not_wait_any_more_is_not_extended(broker, clock, enlist, join, end):
    _, joined = join
    worker = enlist()
    worker.settles(end(worker.claim_all()[0]))
    new = a_message()

    assert not broker.extend(joined.id, [new], [new.id], clock.now())
    assert not broker.extend("nobody", [new], [new.id], clock.now())

    assert broker.get([new.id]) == [None]


def test_nothing_is_added_when_a_part_cannot_be_sent(broker, clock, join):
    _, joined = join
    bad = a_message(after=After(("nobody",)))

    with pytest.raises(UnknownTask):
        broker.extend(joined.id, [bad], [bad.id], clock.now())

    assert broker.get([bad.id]) == [None]
    assert broker.parents(joined.id) == ids([join[0]])
