"""`running`: the records of what one worker holds."""

from celeriac.testing.contract.given import EVERY_BYTE, Courier, a_message, messages, succeeded


def test_a_worker_runs_what_it_has_claimed_and_not_settled(broker, clock):
    broker.send([*messages(3), a_message(payload=EVERY_BYTE)], clock.now())
    worker, other = Courier(broker, clock, "worker-a"), Courier(broker, clock, "worker-b")
    first, second = worker.claim(2)
    [third, fourth] = other.claim(2)
    worker.settles(succeeded(first))

    found = broker.running(worker.id)

    assert [record.id for record in found] == [second.id]
    assert [(record.id, record.worker) for record in broker.running(other.id)] == [
        (third.id, other.id),
        (fourth.id, other.id),
    ]
    assert broker.running(other.id)[1].message.payload == EVERY_BYTE


def test_nobody_runs_nothing(broker, clock, enlist):
    assert broker.running("never-enlisted") == []
    assert broker.running(enlist().id) == []
