"""Processes that die, hang or cannot start in ways that once held up or ended their whole worker."""

from __future__ import annotations

import pytest

from celeriac.errors import WorkerLostError
from tests.faults import shop as tasks
from tests.faults.workers import until_workers

pytestmark = pytest.mark.serial


def test_a_process_whose_fork_outlives_it_is_replaced_at_once(shop, start_worker):
    start_worker("--processes", "1")
    until_workers(shop, 1)

    lost = tasks.fork_and_die.delay()

    with pytest.raises(WorkerLostError):
        lost.get(8)
    assert tasks.add.delay(1, 2).get(8) == 3
