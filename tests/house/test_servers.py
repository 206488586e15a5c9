"""The servers that other tests rely on do what they promise."""

import os

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from tests.servers import free_port
from tests.waiting import wait_until


def test_a_server_answers_and_says_which_it_is(redis_server):
    facts = redis_server.cli("INFO", "server")

    assert (
        facts.get("valkey_version" if redis_server.kind == "valkey" else "redis_version")
        == redis_server.version
    )
    assert redis_server.url == f"redis://127.0.0.1:{redis_server.port}/0"


def test_flush_leaves_no_key_and_no_script(redis_server):
    redis_server.cli("SET", "key", "value")
    script = redis_server.cli("SCRIPT", "LOAD", "return 1")

    redis_server.flush()

    assert redis_server.cli("DBSIZE") == 0
    with pytest.raises(ResponseError, match="No matching script"):
        redis_server.cli("EVALSHA", script, 0)


def test_a_stopped_server_refuses_and_comes_back_on_the_same_port(redis_server):
    port = redis_server.port

    redis_server.stop()
    with pytest.raises(RedisConnectionError):
        redis_server.cli("PING")
    redis_server.start()

    assert redis_server.cli("PING") is True
    assert redis_server.port == port


def test_a_killed_server_with_an_append_only_file_keeps_what_it_acknowledged(start_redis):
    server = start_redis("--appendonly", "yes", "--appendfsync", "always")
    server.cli("SET", "key", "value")

    server.kill()
    server.start()

    assert server.cli("GET", "key") == "value"


def test_a_server_can_ask_for_a_password_and_listen_on_a_socket(start_redis):
    server = start_redis("--requirepass", "secret", "--unixsocket", "redis.sock")

    assert ":secret@" in server.url
    assert server.cli("PING") is True
    assert (server.dir / "redis.sock").is_socket()


def test_a_sentinel_watches_a_server(start_redis):
    server = start_redis(kind="redis")
    sentinel = start_redis(
        "--sentinel", kind="redis", config=f"sentinel monitor main 127.0.0.1 {server.port} 1\n"
    )

    with sentinel.client() as client:
        assert client.sentinel_get_master_addr_by_name("main") == ("127.0.0.1", server.port)


def test_a_paused_server_stops_answering_and_ends_when_asked(start_redis):
    server = start_redis()
    pid = server.pid

    server.pause()
    with pytest.raises(Exception, match=r"[Tt]ime"), server.client(socket_timeout=0.2) as client:
        client.ping()
    server.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_cannot_start_says_why(start_redis):
    with pytest.raises(AssertionError, match=r"did not start(.|\n)*no-such-option"):
        start_redis("--no-such-option", "1")


def test_free_ports_are_outside_the_range_of_outgoing_connections():
    assert all(20_000 <= free_port() < 32_000 for _ in range(20))


def test_waiting_in_vain_names_what_was_awaited():
    with pytest.raises(AssertionError, match=r"0\.05 s in vain for the moon"):
        wait_until(lambda: None, timeout=0.05, what="the moon")


def test_waiting_returns_the_first_true_answer():
    answers = iter([0, "", "now"])

    assert wait_until(lambda: next(answers)) == "now"
