"""`open`, `close`, `ping`: a store opens by itself, as often as it is asked to."""

from concurrent.futures import ThreadPoolExecutor

from celeriac.testing.contract.given import a_message, state_of, together


def test_a_verb_opens_a_store_by_itself(broker, clock):
    message = a_message()

    broker.send([message], clock.now())

    assert broker.get([message.id])[0] is not None


def test_opening_may_be_repeated(broker, clock):
    message = a_message()
    broker.open()
    broker.send([message], clock.now())

    broker.open()

    assert state_of(broker, message)


def test_a_closed_store_opens_again_and_has_kept_everything(broker, clock):
    message = a_message()
    broker.send([message], clock.now())

    broker.close()
    broker.close()

    assert broker.get([message.id])[0].message == message


def test_a_store_that_answers_says_so(broker):
    assert broker.ping() is None


def test_many_threads_and_processes_may_open_a_new_store_at_once(broker, other, store, clock):
    fresh = [store.connect() for _ in range(3)]

    together(*(each.open for each in (broker, other, *fresh)))

    assert all(each.queues() == [] for each in fresh)


def test_a_thread_that_ends_leaves_a_store_usable(broker, clock):
    message = a_message()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(broker.send, [message], clock.now()).result()

    assert state_of(broker, message)
