"""URLs of Redis: taken apart, refused with a reason, and never shown with a password."""

import ssl

import pytest

from celeriac.brokers.redis import RedisBroker
from celeriac.brokers.redis.url import Address, hidden, parse
from celeriac.errors import ConfigurationError

LOCAL = (("localhost", 6379),)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", Address("tcp", LOCAL)),
        ("redis://localhost", Address("tcp", LOCAL)),
        ("redis://db.example:7000/3", Address("tcp", (("db.example", 7000),), db=3)),
        ("redis://[::1]:7000/", Address("tcp", (("::1", 7000),))),
        ("redis://localhost/1?db=2", Address("tcp", LOCAL, db=2)),
        ("redis://:p%40ss@localhost", Address("tcp", LOCAL, login={"password": "p@ss"})),
        (
            "redis://me:a%3Ab%2Fc@localhost",
            Address("tcp", LOCAL, login={"username": "me", "password": "a:b/c"}),
        ),
        (
            "redis://localhost?username=me&password=p",
            Address("tcp", LOCAL, login={"username": "me", "password": "p"}),
        ),
        ("unix:///run/redis.sock?db=4", Address("unix", path="/run/redis.sock", db=4)),
        ("unix:///run/my%20redis.sock", Address("unix", path="/run/my redis.sock")),
        (
            "redis://localhost?namespace=shop&clock=caller",
            Address("tcp", LOCAL, options={"namespace": "shop", "clock": "caller"}),
        ),
        (
            "rediss://localhost?ssl_cert_reqs=none&ssl_check_hostname=no&ssl_min_version=TLSv1.3",
            Address(
                "tls",
                LOCAL,
                tls={
                    "ssl_cert_reqs": "none",
                    "ssl_check_hostname": False,
                    "ssl_min_version": ssl.TLSVersion.TLSv1_3,
                },
            ),
        ),
        (
            "redis+sentinel://a,b:7000/shop?db=1&sentinel_password=s",
            Address(
                "tcp", (("a", 26379), ("b", 7000)), service="shop", db=1, sentinel_login={"password": "s"}
            ),
        ),
        (
            "rediss+sentinel://:p@a/shop?ssl_ca_certs=/ca",
            Address("tls", (("a", 26379),), "", "shop", login={"password": "p"}, tls={"ssl_ca_certs": "/ca"}),
        ),
    ],
)
def test_a_url_is_taken_apart(url, address):
    assert parse(url) == address


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://localhost/x", "the number of its database must be a whole number, not 'x'"),
        ("redis://localhost?db=-1", "option db must be a whole number"),
        ("redis://localhost?socket_timeout=3", "unknown option 'socket_timeout'; known are clock, db"),
        ("redis://localhost?ssl_ca_certs=x", "unknown option 'ssl_ca_certs'"),
        ("redis://localhost?sentinel_password=x", "unknown option 'sentinel_password'"),
        ("redis://localhost?clock=mine", "option clock must be server or caller, not 'mine'"),
        ("rediss://localhost?ssl_cert_reqs=maybe", "required or optional or none"),
        ("rediss://localhost?ssl_check_hostname=perhaps", "true or false"),
        ("rediss://localhost?ssl_min_version=SSLv2", "TLSv1.2 or TLSv1.3"),
        ("redis://one,two/0", r"several hosts need redis\+sentinel://"),
        ("redis+sentinel://one,two", "the service's name is missing"),
        ("unix://", "the path of the socket is missing"),
        ("redis://localhost:99999", "[Pp]ort"),
        ("redis://:pass#word@localhost", "%23"),
    ],
)
def test_a_wrong_url_is_refused_with_the_reason(url, reason):
    with pytest.raises(ConfigurationError, match=reason):
        RedisBroker(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@localhost?nonsense=1",
        "redis://localhost?password=hunter2&nonsense=1",
        "redis+sentinel://localhost?sentinel_password=hunter2",
        "rediss://localhost?ssl_password=hunter2&nonsense=1",
    ],
)
def test_no_password_is_shown(url):
    with pytest.raises(ConfigurationError) as caught:
        RedisBroker(url)

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in hidden(url)


@pytest.mark.parametrize("namespace", ["", "two words", "brace{", "x" * 65, "schnürsenkel"])
def test_a_namespace_that_cannot_be_part_of_a_key_is_refused(namespace):
    with pytest.raises(ConfigurationError, match="cannot be a namespace"):
        RedisBroker("redis://localhost", namespace=namespace)


def test_a_broker_can_be_made_without_a_server():
    broker = RedisBroker("redis://:hunter2@localhost:1/0")

    assert broker.url == "redis://:***@localhost:1/0"
    broker.close()
