"""The memory store is the contract; every real store must do the same, whatever it is told.

More examples: `CELERIAC_LOCKSTEP=5000 pytest tests/contract/test_lockstep.py`.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from celeriac.brokers import connect
from tests.contract.conftest import BETWEEN_PROCESSES, SEALED_BETWEEN_PROCESSES
from tests.contract.lockstep import Lockstep, operations

EXAMPLES = int(os.environ.get("CELERIAC_LOCKSTEP", "100"))
HABITS = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
A_YEAR = 366 * 86_400.0  # nothing is dropped by age: a server would do that by its own clock


@pytest.mark.parametrize("new_store", BETWEEN_PROCESSES, indirect=True)
@settings(HABITS, max_examples=EXAMPLES)
@given(operations=operations())
def test_a_store_does_what_the_memory_store_does(new_store, operations):
    keep_in_step(new_store(), operations)


@pytest.mark.parametrize("new_store", SEALED_BETWEEN_PROCESSES, indirect=True)
@settings(HABITS, max_examples=max(1, EXAMPLES // 10))
@given(operations=operations())
def test_a_store_that_sees_only_what_is_sealed_does_what_the_memory_store_does(new_store, operations):
    keep_in_step(new_store(), operations)


def keep_in_step(store, operations):
    try:
        lockstep = Lockstep(connect("memory://", retention=A_YEAR), store.connect(retention=A_YEAR))
        for operation in operations:
            lockstep.do(operation)
    finally:
        store.close()
