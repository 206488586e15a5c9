"""Progress tokens: what they let see, for how long, and that nobody else can make one."""

import base64
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac import Celeriac
from celeriac.brokers import connect
from celeriac.clock import ManualClock
from celeriac.errors import InvalidName, StoreCorrupt
from celeriac.tickets import LONGEST, Ticket, Tickets

KEY, OTHER = "k" * 32, "o" * 32
NOW = 1_700_000_000.0
TICKET = Ticket("some-id", NOW + 60, True)


def an_app(name: str = "shop", **settings) -> Celeriac:
    clock = ManualClock(NOW)
    return Celeriac(name, broker="memory://", clock=clock, set_as_current=False, **settings)


def test_a_ticket_is_read_as_it_was_issued_until_its_time_is_over():
    tickets = Tickets([KEY], "shop")

    text = tickets.issue(TICKET)

    assert text.replace("-", "").replace("_", "").isalnum()
    assert tickets.read(text, NOW) == TICKET
    assert tickets.read(text, TICKET.until) is None


def test_a_ticket_of_another_key_or_application_is_worth_nothing():
    text = Tickets([KEY], "shop").issue(TICKET)

    assert Tickets([OTHER], "shop").read(text, NOW) is None
    assert Tickets([KEY], "bank").read(text, NOW) is None


def test_keys_can_be_rotated():
    old, new = Tickets([KEY], "shop").issue(TICKET), Tickets([OTHER, KEY], "shop")

    assert new.read(old, NOW) == TICKET
    assert Tickets([OTHER], "shop").read(new.issue(TICKET), NOW) == TICKET


@given(at=st.integers(0, 200), bit=st.integers(0, 7))
def test_no_bit_of_a_ticket_can_be_changed(at, bit):
    tickets = Tickets([KEY], "shop")
    text = tickets.issue(TICKET)
    data = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    data[at % len(data)] ^= 1 << bit

    assert tickets.read(base64.urlsafe_b64encode(data).rstrip(b"=").decode(), NOW) is None


@given(st.one_of(st.text(), st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode())))
def test_any_other_text_is_no_ticket(text):
    assert Tickets([KEY], "shop").read(text, NOW) is None


def test_a_long_text_is_not_even_looked_at(monkeypatch):
    monkeypatch.setattr("celeriac.tickets.base64.b64decode", lambda *_, **__: 1 / 0)

    assert Tickets([KEY], "shop").read("a" * (LONGEST + 1), NOW) is None


# --- the application --------------------------------------------------------------------------------


def test_a_token_names_a_task_by_its_id_or_result():
    app = an_app()

    tokens = app.progress_token("some-id"), app.progress_token(app.AsyncResult("some-id"), outcome=True)

    read = [app.tickets.read(token, NOW) for token in tokens]
    assert read == [Ticket("some-id", NOW + 3_600), Ticket("some-id", NOW + 3_600, True)]


@pytest.mark.parametrize("span", [60, timedelta(minutes=1)])
def test_a_token_ends(span):
    app = an_app()
    token = app.progress_token("some-id", span)

    app.clock.advance(59)
    assert app.tickets.read(token, app.clock.now())
    app.clock.advance(2)
    assert app.tickets.read(token, app.clock.now()) is None


@pytest.mark.parametrize("span", [0, -1, float("nan"), float("inf"), True])
def test_a_token_that_would_never_be_valid_or_never_end_is_refused(span):
    with pytest.raises(ValueError, match="above 0"):
        an_app().progress_token("some-id", span)


def test_what_cannot_be_an_id_gets_no_token():
    with pytest.raises(InvalidName):
        an_app().progress_token("no id")


def test_processes_that_share_a_store_or_keys_read_each_others_tokens(tmp_path):
    url = f"sqlite:///{tmp_path}/celeriac.db"
    one, two = (Celeriac("shop", broker=url, set_as_current=False) for _ in range(2))
    stranger = Celeriac("shop", broker=f"sqlite:///{tmp_path}/other.db", set_as_current=False)
    keyed = [an_app(security_keys=(KEY,)) for _ in range(2)]

    with one, two, stranger:
        now = one.clock.now()
        token = one.progress_token("some-id")
        assert two.tickets.read(token, now) is not None
        assert stranger.tickets.read(token, now) is None
    assert keyed[1].tickets.read(keyed[0].progress_token("some-id"), NOW) is not None


def test_with_keys_the_secret_of_the_store_is_not_used():
    app = an_app(security_keys=(KEY,))

    app.progress_token("some-id")

    assert app.broker.secret(b"unused") == b"unused"


def test_a_secret_that_somebody_has_shortened_is_found_out(tmp_path):
    url = f"sqlite:///{tmp_path}/celeriac.db"
    store = connect(url)
    store.secret(b"short")
    store.close()

    with Celeriac("shop", broker=url, set_as_current=False) as app, pytest.raises(StoreCorrupt):
        app.progress_token("some-id")
