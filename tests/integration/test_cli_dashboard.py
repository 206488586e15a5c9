"""`celeriac dashboard`: who is let in, what it prints, how it ends; and the file of users."""

import json
import signal
import subprocess
import sys
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import pytest

from celeriac import Celeriac
from celeriac.dashboard.access import access_of
from tests.integration.command_line import assert_attempts_parse, environment, invoke


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path}/shop.db"
    with Celeriac("shop", broker=url) as app:
        app.pause("mail")
    return url


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_an_address_that_lets_in_and_ends_when_it_is_told_to(url, number):
    command = [sys.executable, "-m", "celeriac", "--json", "-b", url, "dashboard", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        told = json.loads(process.stdout.readline())
        with urlopen(told["url"].partition("?")[0] + "healthz", timeout=10) as answer:
            health = json.loads(answer.read())
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)

    assert told["kind"] == "dashboard"
    assert "?token=" in told["url"]
    assert health == {"ok": True}
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_the_address_with_a_prefix_works_here_and_behind_a_proxy_that_cuts_it_off(url):
    command = [sys.executable, "-m", "celeriac", "--json", "-b", url, "dashboard", "--port", "0"]
    with subprocess.Popen(
        [*command, "--prefix", "/cel/"], stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        here = json.loads(process.stdout.readline())["url"]
        opener = build_opener(HTTPCookieProcessor())
        with opener.open(here, timeout=10) as answer:  # it lets in, and leads to the page behind the proxy
            page = answer.read().decode()
        behind = here.partition("/cel/")[0]
        with urlopen(f"{behind}/healthz", timeout=10) as answer:
            cut = json.loads(answer.read())
        process.terminate()

    assert here.partition("?")[0].endswith("/cel/")
    assert 'href="/cel/queues"' in page
    assert cut == {"ok": True}


@pytest.mark.parametrize("prefix", ["/c el", "cel", "/cel//x", "/cel?x"])
def test_what_cannot_be_a_prefix_is_refused(url, prefix):
    answer = invoke("-b", url, "dashboard", "--prefix", prefix)

    assert answer.code == 2
    assert "prefix" in answer.err
    assert answer.attempts[0].endswith(" dashboard --help")


def test_no_word_that_an_address_can_begin_with_is_taken_for_a_prefix():
    from celeriac.dashboard.serve import Uncut
    from celeriac.dashboard.site import Site
    from celeriac.dashboard.web import build

    with Celeriac("shop", broker="memory://", set_as_current=False) as app:
        inner = build(Site(app, access_of(lambda _: "admin")))._inner
        words = {route.path.split("/")[1] for route in inner.routes}

    assert words
    assert not any(Uncut(inner, f"/{word}")._is_clear for word in words)
    assert Uncut(inner, "/celeriac")._is_clear


def test_another_address_is_refused_without_users(url):
    answer = invoke("-b", url, "dashboard", "--host", "0.0.0.0")

    assert answer.code == 2
    assert "--users" in answer.err
    assert "mount" in answer.err
    assert_attempts_parse(answer)


def test_a_port_that_is_taken_is_told(url):
    from celeriac.dashboard.serve import listening

    with listening("127.0.0.1", 0) as sock:
        answer = invoke("-b", url, "dashboard", "--port", str(sock.getsockname()[1]))

    assert answer.code == 2
    assert "cannot listen on 127.0.0.1" in answer.err
    assert_attempts_parse(answer)


def test_users_and_tokens_are_added_listed_and_removed(tmp_path):
    users = ("--users", str(tmp_path / "users.json"))

    added = invoke("dashboard", "user", "add", "ana", "--role", "admin", *users, stdin="correct horse\n")
    token = invoke("--json", "dashboard", "token", "add", "ci", *users)
    listed = invoke("--json", "dashboard", "user", "list", *users)
    removed = [invoke("dashboard", "user", "remove", "ana", *users).code for _ in range(2)]

    assert added.out == "ana may log in as admin\n"
    assert token.objects[0]["role"] == "viewer"
    assert len(token.objects[0]["secret"]) > 30
    assert listed.objects == [{"kind": "user", "name": "ana", "role": "admin"}]
    assert removed == [0, 4]


def test_a_password_that_is_too_short_is_told_with_the_way_to_another_one(tmp_path):
    answer = invoke("dashboard", "user", "add", "ana", "--users", str(tmp_path / "users.json"), stdin="x\n")

    assert answer.code == 2
    assert "dashboard user add ana" in answer.attempts[0]


@pytest.mark.parametrize("what", ["user", "token"])
def test_a_name_that_is_taken_is_replaced_only_if_that_is_asked_for(tmp_path, what):
    file = tmp_path / "users.json"
    add = ("dashboard", what, "add", "ci", "--users", str(file))
    invoke(*add, "--role", "admin", stdin="correct horse\n")
    before = file.read_text()

    refused = invoke(*add, stdin="wrong horse\n")

    assert (refused.code, file.read_text()) == (7, before)
    assert "--replace" in refused.attempts[0]
    assert invoke(*add, "--replace", stdin="wrong horse\n").code == 0
    assert invoke("--json", "dashboard", what, "list", "--users", str(file)).objects[0]["role"] == "viewer"


@pytest.mark.parametrize(
    "words",
    [("user",), ("user", "add"), ("user", "list", "x"), ("root", "add", "x"), ("user", "explode", "x")],
)
def test_words_that_make_no_sense_are_told(tmp_path, words):
    answer = invoke("dashboard", *words, "--users", str(tmp_path / "users.json"))

    assert answer.code == 2
    assert "user add NAME" in answer.err


def test_a_file_of_users_that_is_missing_or_empty_is_told(url, tmp_path):
    answer = invoke("-b", url, "dashboard", "--users", str(tmp_path / "none.json"))

    assert answer.code == 2
    assert "dashboard user add" in answer.err
