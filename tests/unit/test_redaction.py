"""What is hidden where tasks are shown."""

import pytest

from celeriac.redaction import HIDDEN, redacted, redacted_call, tells


@pytest.mark.parametrize(
    "key",
    ["password", "PASSWORD", "user_password", "accessToken", "X-Api-Key", "Authorization", "set-cookie",
     "client_secret", "DB_PASSWORD_2", "apiKey", "APIKey", "aws secret"],
)  # fmt: skip
def test_telling_keys_are_known_however_they_are_written(key):
    assert redacted({key: "x"}) == {key: HIDDEN}
    assert tells(key)


@pytest.mark.parametrize(
    "key", ["passwordless", "secretary", "tokenizer", "max_tokens", "api", "key", "user", ""]
)
def test_other_keys_are_not(key):
    assert redacted({key: "x"}) == {key: "x"}
    assert not tells(key)


def test_values_are_hidden_at_any_depth_and_whole():
    value = {"a": [{"token": {"b": 1}}, ({"c": {"password": None}},)], "d": "password"}

    assert redacted(value) == {"a": [{"token": HIDDEN}, [{"c": {"password": HIDDEN}}]], "d": "password"}


def test_what_was_given_stays_as_it_is():
    value = {"a": [{"token": 1}]}

    redacted(value)

    assert value == {"a": [{"token": 1}]}


@pytest.mark.parametrize("value", [None, 1, "password", [], {}, [1, "x"]])
def test_plain_values_stay(value):
    assert redacted(value) == value


def test_more_keys_may_be_named():
    assert redacted({"iban": 1, "myIban": 2, "x": 3}, ["IBAN"]) == {"iban": HIDDEN, "myIban": HIDDEN, "x": 3}


def test_deep_values_are_no_trouble():
    deep = {"password": 1}
    for _ in range(50_000):
        deep = [deep]

    shown = redacted(deep)

    for _ in range(50_000):
        [shown] = shown
    assert shown == {"password": HIDDEN}


def test_a_positional_argument_is_called_as_the_function_calls_it():
    args, kwargs = redacted_call(["ada", "hunter2", {"token": 1}], {"pin": 2}, ("user", "password"), ["pin"])

    assert (args, kwargs) == (["ada", HIDDEN, {"token": HIDDEN}], {"pin": HIDDEN})


def test_fewer_arguments_than_parameters_and_more_are_no_trouble():
    assert redacted_call([], {}, ("password",)) == ([], {})
    assert redacted_call([1, 2, 3], {}, ("a", "token")) == ([1, HIDDEN, 3], {})
