"""Which requests may change something: the matrix of what browsers and programs say of themselves."""

import pytest

from celeriac.dashboard import guard
from celeriac.dashboard.guard import host_name, is_host_allowed, is_loopback, may_change

HOST = "ops.example.org:8787"
HERE = f"http://{HOST}"

# (Sec-Fetch-Site, Origin, bearer token) -> whether a POST may change something
MATRIX = [
    ("same-origin", None, False, True),
    ("same-origin", HERE, False, True),
    ("same-site", HERE, False, False),
    ("cross-site", None, False, False),
    ("cross-site", "https://evil.example", False, False),
    ("cross-site", "null", False, False),
    ("none", None, False, False),
    ("cross-site", "https://trusted.example", False, True),
    ("same-site", "https://trusted.example", False, True),
    (None, HERE, False, True),
    (None, f"https://{HOST}", False, True),
    (None, "http://ops.example.org:8788", False, False),
    (None, "http://ops.example.org", False, False),
    (None, "https://evil.example", False, False),
    (None, "null", False, False),
    (None, "", False, False),
    (None, None, False, False),
    (None, None, True, True),
    ("cross-site", "https://evil.example", True, True),
]


@pytest.mark.parametrize(("site", "origin", "bearer", "allowed"), MATRIX)
def test_a_change_is_let_through_only_from_our_own_pages_or_with_a_token(site, origin, bearer, allowed):
    given = {"host": HOST, "sec-fetch-site": site, "origin": origin}
    headers = {name: value for name, value in given.items() if value is not None}

    let_through = may_change("POST", headers, trusted={"https://trusted.example"}, is_bearer=bearer)

    assert let_through is allowed


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_needs_no_proof(method):
    assert may_change(method, {"host": HOST, "sec-fetch-site": "cross-site"})


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_every_other_method_counts_as_a_change(method):
    assert not may_change(method, {"host": HOST, "sec-fetch-site": "cross-site"})


@pytest.mark.parametrize(
    ("host", "name"),
    [("a.b", "a.b"), ("A.b:80", "a.b"), ("[::1]:8787", "::1"), ("127.0.0.1:1", "127.0.0.1"), ("", "")],
)
def test_the_name_is_taken_out_of_the_host_header(host, name):
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("localhost:8787", True), ("[::1]:8787", True), ("rebound.example:8787", False), ("", False)],
)
def test_only_known_hosts_are_answered(host, allowed):
    assert is_host_allowed(host, guard.LOOPBACK) is allowed
    assert is_host_allowed(host, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.evil.example", "10.0.0.1", ""])
def test_what_others_reach_is_not_loopback(host):
    assert not is_loopback(host)


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere():
    parts = dict(part.strip().partition(" ")[::2] for part in guard.POLICY.split(";"))

    assert parts["default-src"] == "'none'"
    assert parts["script-src"] == parts["style-src"] == parts["connect-src"] == "'self'"
    assert parts["frame-ancestors"] == parts["base-uri"] == "'none'"
    assert parts["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in guard.POLICY
