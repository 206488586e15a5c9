"""No password and no key is shown: not by errors and their chains, not by `repr`, not by the program."""

import traceback
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from celeriac import Celeriac
from celeriac.brokers import masked
from celeriac.brokers.redis import RedisBroker
from celeriac.config import Config
from celeriac.errors import CeleriacError, ConfigurationError

SECRET = "hunter2"
KEY = "k3y-" * 10

# A password may be anywhere that a URL has room for one, and be escaped wrongly.
URLS = [
    "redis://:hunter2@localhost/0",
    "redis://user:hunter2@localhost:6379/0",
    "rediss://user:hunter2@localhost?ssl_cert_reqs=none",
    "redis+sentinel://user:hunter2@one,two:26379/service?sentinel_password=hunter2",
    "rediss+sentinel://:hunter2@one/service",
    "unix:///run/redis.sock?password=hunter2",
    "unix://user:hunter2@/run/redis.sock",
    "redis://localhost?password=hunter2",
    "redis://localhost?PASSWORD=hunter2",
    "redis://localhost?pass%77ord=hunter2",
    "rediss://localhost?ssl_password=hunter2&nonsense=1",
    "redis://localhost?db=1;password=hunter2",
    "redis://localhost?password=a@hunter2",
    "redis://localhost?password=a#hunter2",
    "redis://localhost?password=a&hunter2=1",
    "redis://localhost?password=a&hunter2",
    "redis://:hunter2@localhost:port",
    "redis://:hunter2@localhost/database",
    "redis://:hunter2@localhost?nonsense=1",
    "redis://:hun%2Fhunter2@localhost/x",
    "redis://:a/hunter2@localhost/0",
    "redis://:1/hunter2@localhost/0",
    "redis://user:a/hunter2@localhost/0",
    "redis://:a#hunter2@localhost/0",
    "redis://:a?hunter2@localhost/0",
    "redis://:a@hunter2@localhost/x",
    "redis://:a@b/hunter2@localhost/x",
    "redis://:[hunter2@localhost/0",
    "redis://:\u2100hunter2@localhost/0",
    "redis:/:hunter2@localhost",
    "redis::hunter2@localhost",
    "amqp://guest:hunter2@localhost//",
    "postgresql://user:hunter2@localhost/db",
]


def everything_of(error: BaseException) -> str:
    """All that a log would have of an error: its text, its repr, its chain and notes."""
    return "".join([repr(error), str(error), *traceback.format_exception(error)])


@pytest.mark.parametrize("url", URLS)
def test_a_masked_url_has_no_password(url):
    assert SECRET not in masked(url)


@pytest.mark.parametrize("url", URLS)
def test_whatever_is_said_of_a_url_its_password_is_not(url):
    said = []
    app = Celeriac("shop", broker=url, set_as_current=False)
    said.append(repr(app))
    for attempt in (lambda: app.broker, lambda: app.broker.url):
        try:
            said.append(repr(attempt()))
        except CeleriacError as error:
            said.append(everything_of(error))
    try:
        Celeriac("shop", broker="redis://localhost", backend=url, set_as_current=False)
    except CeleriacError as error:
        said.append(everything_of(error))

    assert SECRET not in "".join(said)


@pytest.mark.parametrize("url", [url for url in URLS if url.startswith(("redis:", "unix:"))])
def test_a_server_that_is_away_is_named_without_the_password(url):
    with pytest.raises(CeleriacError) as caught:
        RedisBroker(url.replace("localhost/", "localhost:1/"), deadline=0.05).ping()

    assert SECRET not in everything_of(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6379/0?ssl_ca_certs=/etc/me@home/ca.pem",
        "redis://user@localhost/0",
        "redis+sentinel://one:1,two:2,[::1]:3/service",
        "unix:///run/me@home/redis.sock?db=0",
        "sqlite:////home/a:b@c/celeriac.db",
        "memory://",
        "",
    ],
)
def test_a_url_without_a_password_is_shown_as_it_is(url):
    assert masked(url) == url


@given(st.text(st.characters(codec="utf-8", exclude_characters="@"), min_size=3, max_size=12))
@example("a/b#c?d=e&f")
def test_no_password_however_written_is_left_between_user_and_host(password):
    shown = masked(f"redis://someone:{password}@example/0")

    assert shown.startswith("redis://someone:***@")
    assert password not in shown.removeprefix("redis://someone:***@")


@pytest.mark.parametrize(
    "value",
    [
        [KEY, 7],
        {"keys": KEY},
        [KEY[:9]],
        [KEY, KEY],
        7,
    ],
)
def test_a_setting_with_wrong_keys_is_refused_without_showing_them(value):
    with pytest.raises(ConfigurationError) as caught:
        Celeriac("shop", broker="memory://", set_as_current=False, security_keys=value)

    assert KEY[:9] not in everything_of(caught.value)


def test_wrong_keys_in_the_environment_are_refused_without_showing_them():
    environment = {"CELERIAC_SECURITY_KEYS": f"{SECRET},also-short"}

    with pytest.raises(ConfigurationError, match="CELERIAC_SECURITY_KEYS") as caught:
        Config(environment)

    assert SECRET not in everything_of(caught.value)


def test_a_url_that_is_none_is_refused_without_showing_it():
    broker: Any = {"url": f"redis://:{SECRET}@x"}

    with pytest.raises(ConfigurationError) as caught:
        Celeriac("shop", broker=broker, set_as_current=False)

    assert SECRET not in everything_of(caught.value)


def test_an_object_with_settings_is_named_without_its_contents():
    class Settings:
        broker_url = "redis://:hunter2@localhost"
        result_expire = 3

        def __repr__(self) -> str:
            return f"Settings({self.broker_url})"

    with pytest.raises(ConfigurationError, match=r"'result_expire' in .*Settings is not") as caught:
        Celeriac("shop", set_as_current=False).config_from_object(Settings())

    assert SECRET not in everything_of(caught.value)


def test_keys_in_an_application_are_shown_by_nothing():
    app = Celeriac("shop", broker="memory://", set_as_current=False, security_keys=[KEY])

    shown = [app, app.conf, app.conf.security_keys, app.security, app.broker, app.conf.changed()]
    assert KEY not in "".join(map(repr, shown)) + str(app.conf.security_keys) + str(app.security)
    assert app.conf.security_keys == (KEY,)
