"""The file of users: nobody else reads it, no password is in it, a change counts at once."""

import pytest

from celeriac.dashboard import sessions
from celeriac.dashboard.roles import Role
from celeriac.dashboard.users import Users
from celeriac.errors import ConfigurationError

PASSWORD = "correct horse"


@pytest.fixture
def users(tmp_path):
    users = Users(tmp_path / "users.json")
    users.add("ana", PASSWORD, Role.OPERATOR)
    return users


def test_only_its_owner_may_read_the_file_and_no_password_is_in_it(users):
    token = users.add_token("ci", Role.VIEWER)

    text = users.path.read_text()
    assert users.path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in text
    assert token not in text


def test_a_user_is_known_by_the_right_password_only(users):
    assert users.check("ana", PASSWORD).role is Role.OPERATOR
    assert users.check("ana", PASSWORD + " ") is None
    assert users.check("bob", PASSWORD) is None
    assert users.check("", "") is None


def test_a_token_is_no_password_and_a_password_no_token(users):
    token = users.add_token("ci", Role.VIEWER)

    assert users.bearer(token).bearer
    assert users.check("ci", token) is None
    assert users.check("ci", "") is None
    assert users.bearer(PASSWORD) is None
    assert users.user("ci") is None


def test_another_process_sees_a_change_at_once(users):
    other = Users(users.path)
    assert other.user("ana") is not None

    users.remove("ana")

    assert other.user("ana") is None


def test_a_new_password_keeps_the_secret_and_changes_the_stamp(users):
    secret, stamp = users.contents.secret, users.stamp("ana")

    users.add("ana", "another one", Role.OPERATOR)

    assert users.contents.secret == secret
    assert users.stamp("ana") != stamp


@pytest.mark.parametrize("name", ["", "a b", "a\n", "x" * 65, "\x1b[0m"])
def test_a_name_that_could_deceive_is_refused(users, name):
    with pytest.raises(ConfigurationError, match="cannot be a user's name"):
        users.add(name, PASSWORD, Role.VIEWER)


def test_a_short_password_is_refused(users):
    with pytest.raises(ConfigurationError, match="8 characters"):
        users.add("bob", "1234567", Role.VIEWER)


@pytest.mark.parametrize("contents", [b"", b"{}", b"[1]", b"\xff", b'{"secret": 1}'])
def test_a_broken_file_is_told_by_its_name(tmp_path, contents):
    path = tmp_path / "users.json"
    path.write_bytes(contents)

    with pytest.raises(ConfigurationError, match=r"users\.json"):
        Users(path).user("ana")


def test_a_missing_file_says_what_makes_it(tmp_path):
    with pytest.raises(ConfigurationError, match="dashboard user add"):
        Users(tmp_path / "none.json").user("ana")


# --- cookies ----------------------------------------------------------------------------------------------


def test_a_cookie_is_good_for_its_user_its_time_and_its_password():
    cookie = sessions.signed("secret", "änä", "stamp", until=100)

    assert sessions.name_in(cookie, now=99) == "änä"
    assert sessions.is_genuine(cookie, "secret", "änä", "stamp")
    assert sessions.name_in(cookie, now=100) == ""
    assert not sessions.is_genuine(cookie, "other", "änä", "stamp")
    assert not sessions.is_genuine(cookie, "secret", "bob", "stamp")
    assert not sessions.is_genuine(cookie, "secret", "änä", "new stamp")


@pytest.mark.parametrize(
    "cookie", ["", ".", "..", "a.b.c", "YW5h.99999999999999999999.x", "YW5h.-5.x", "é.1.x", "YW5h.1.é"]
)
def test_a_forged_cookie_is_nobody_s(cookie):
    name = sessions.name_in(cookie, now=0)

    assert not sessions.is_genuine(cookie, "secret", name, "")


@pytest.mark.parametrize(
    "kept",
    [
        '{"secret":"s","users":{"ana":{"role":"admin","password":"scrypt$0g$00","token":"é"}}}',
        '{"secret":"s","users":{"ana":{"role":"admin","password":"scrypt$00$é"}}}',
        '{"secret":"s","users":{"ana":{"role":"admin","password":"é"}}}',
    ],
)
def test_a_password_or_token_that_was_damaged_in_the_file_lets_nobody_in(users, kept):
    users.path.write_text(kept)

    assert users.check("ana", PASSWORD) is None
    assert users.bearer("x") is None


def test_a_file_that_is_nested_too_deep_is_told_as_what_it_is(users):
    users.path.write_text('{"a":' * 20_000 + "1" + "}" * 20_000)

    with pytest.raises(ConfigurationError, match="cannot be read"):
        users.user("ana")


def test_a_longer_life_cannot_be_written_into_a_cookie():
    who, _, mac = sessions.signed("secret", "ana", "", until=100).split(".")

    assert not sessions.is_genuine(f"{who}.200.{mac}", "secret", "ana", "")


def test_an_address_lets_in_once_and_another_one_follows():
    following = []
    once = sessions.OneTime(following.append)
    first = once.token

    answers = [once.spend("wrong"), once.spend(first), once.spend(first), once.spend(following[0])]

    assert answers == [False, True, False, True]
    assert len(following) == 2
