"""`get`: records in the order asked for."""

from celeriac.testing.contract.given import a_message, given_finished, messages


def test_records_come_in_the_order_of_the_ids_with_none_for_the_unknown(broker, clock):
    first, second = messages(2)
    broker.send([first, second], clock.now())

    records = broker.get([second.id, "no-such-task", first.id, second.id])

    assert [record and record.id for record in records] == [second.id, None, first.id, second.id]


def test_asking_for_nothing_is_allowed(broker):
    assert broker.get([]) == []


def test_another_process_sees_the_same(broker, other, clock):
    task = given_finished(broker, clock)

    assert other.get([task.id]) == broker.get([task.id])


def test_looking_changes_nothing(broker, clock):
    message = a_message()
    broker.send([message], clock.now())

    assert broker.get([message.id]) == broker.get([message.id])


def test_five_thousand_records_come_in_one_call(broker, clock):
    sent = messages(5_000)
    broker.send(sent, clock.now())

    assert [record.message for record in broker.get([each.id for each in sent])] == sent
