"""`secret`: what the users of a store sign with, and that they all have the same."""

from concurrent.futures import ThreadPoolExecutor

from celeriac.testing.contract.conftest import Store


def test_the_first_that_is_proposed_is_the_secret_for_ever(broker):
    assert [broker.secret(fresh) for fresh in (b"first", b"second", b"third")] == [b"first"] * 3


def test_any_bytes_come_back_as_they_were(broker):
    everything = bytes(range(256))

    assert broker.secret(everything) == everything
    assert broker.secret(b"other") == everything


def test_of_many_at_once_all_are_told_the_same(store: Store):
    brokers = [store.connect() for _ in range(8)]

    with ThreadPoolExecutor(len(brokers)) as threads:
        told = list(threads.map(lambda number: brokers[number].secret(b"mine is %d" % number), range(8)))

    assert len(set(told)) == 1
    assert told[0].startswith(b"mine is ")


def test_it_is_still_known_when_the_store_is_opened_again(store: Store):
    first = store.connect()
    first.secret(b"mine")
    if store.kind.between_processes:
        first.close()

    assert store.connect().secret(b"yours") == b"mine"
