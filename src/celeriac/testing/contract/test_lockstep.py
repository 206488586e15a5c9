"""The memory store is the contract; every real store must do the same, whatever it is told.

More examples: `CELERIAC_LOCKSTEP=5000 pytest --pyargs celeriac.testing.contract.test_lockstep`.
"""

import os
import random

import pytest

from celeriac.brokers import connect
from celeriac.keyring import Security
from celeriac.testing.contract.lockstep import Lockstep, an_operation

hypothesis = pytest.importorskip("hypothesis", reason="it draws the examples: pip install hypothesis")
st = hypothesis.strategies

EXAMPLES = int(os.environ.get("CELERIAC_LOCKSTEP", "100"))
SEALS = {
    "signed": Security(("k" * 32,), max_age=None),
    "encrypted": Security(("k" * 32,), encrypt=True, max_age=None),
}
A_YEAR = 366 * 86_400.0  # nothing is dropped by age: a server would do that by its own clock


def operations():
    """Sequences of operations, most of them as usual in life.

    Hypothesis draws how many, and a number for each that stands for it: it would draw the parts of operations
    too evenly for much to happen, but it shortens a list of numbers well.
    """
    numbers = st.integers(5, 60).flatmap(
        lambda length: st.lists(st.integers(0, 2**32), min_size=length, max_size=length)
    )
    return numbers.map(lambda drawn: [an_operation(random.Random(number)) for number in drawn])


@pytest.mark.stores_that("lockstep")
def test_a_store_does_what_the_memory_store_does(request, new_store):
    keep_in_step(new_store, examples=EXAMPLES * share_of(request))


@pytest.mark.stores_that("lockstep")
@pytest.mark.parametrize("seal", SEALS)
def test_a_store_that_sees_only_what_is_sealed_does_what_the_memory_store_does(request, new_store, seal):
    if seal == "encrypted":
        pytest.importorskip("cryptography", reason="it encrypts: pip install 'celeriac[encryption]'")

    keep_in_step(new_store, examples=EXAMPLES * share_of(request) / 20, security=SEALS[seal])


def share_of(request):
    """How many examples this kind of store gets, as a share of the usual number."""
    return request.node.callspec.params["new_store"].lockstep


def keep_in_step(new_store, *, examples, security=None):
    """Tell the memory store and fresh ones of another kind the same, *examples* times."""

    @hypothesis.settings(deadline=None, print_blob=True, max_examples=max(1, round(examples)))
    @hypothesis.given(operations=operations())
    def keeps_in_step(operations):
        store = new_store()
        try:
            real = store.connect(security=security, retention=A_YEAR)
            lockstep = Lockstep(connect("memory://", retention=A_YEAR), real)
            for operation in operations:
                hypothesis.note(str(operation))  # the last one is where they differ
                lockstep.do(operation)
        finally:
            store.close()

    keeps_in_step()
