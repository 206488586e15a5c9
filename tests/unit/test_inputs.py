"""What a task is given by those before it: an error there is the error of that task alone."""

import pytest

from celeriac.errors import BrokerUnavailable
from celeriac.message import Delivery, Message, Options, Record, encode_options
from celeriac.outcome import decode_error
from celeriac.states import State, Verdict
from celeriac.worker import inputs


class Store:
    """Knows one record for each id; one of them cannot be looked at."""

    def get(self, ids):
        return [
            Odd() if each == "odd" else Record(Message(each, "t"), State.SUCCEEDED, result=b"7")
            for each in ids
        ]


class Odd:
    """No record at all."""


class Away:
    def get(self, ids):
        raise BrokerUnavailable("away")


def given(task_id, parent):
    options = encode_options(Options(input=parent))
    return Delivery(task_id, "t", "q", 0, b"", options, 1, 0, 0, 3, b"")


def test_an_error_that_nobody_foresaw_fails_only_the_task_that_met_it():
    ready, settled = inputs.complete(Store(), [given("a", "even"), given("b", "odd"), given("c", "even")])

    assert [(each.id, each.payload) for each in ready] == [("a", b"[[7],{}]"), ("c", b"[[7],{}]")]
    [failed] = settled
    assert (failed.id, failed.verdict) == ("b", Verdict.FAILED)
    assert decode_error(failed.body).type == "builtins.AttributeError"


def test_while_the_store_is_away_nothing_is_settled():
    with pytest.raises(BrokerUnavailable):
        inputs.complete(Away(), [given("a", "even")])
