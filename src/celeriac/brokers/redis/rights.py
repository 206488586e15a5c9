"""Which commands Celeriac needs, and which of them a user may not run. Runs none of them.

The how-to on Redis has the same list as a rule for ACL SETUSER; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

from celeriac.brokers.redis.keys import Keys

# As they are called in rules -> as they would be sent; `*` stands for a key, `#` for a channel.
NEEDED: Final = {
    "evalsha": "evalsha 0 1 *",
    "script|load": "script load 0",
    "info": "info",
    "time": "time",
    "ping": "ping",
    "scan": "scan 0",
    "blpop": "blpop * 0",
    "subscribe": "subscribe #",
    "publish": "publish # 1",
    **{name: f"{name} *" for name in ("get", "type", "hgetall", "hkeys", "hlen", "exists", "del", "unlink")},
    **{
        name: f"{name} *"
        for name in ("persist", "lpop", "llen", "scard", "spop", "sinter", "smembers", "zcard")
    },
    **{name: f"{name} * 1" for name in ("setnx", "set", "hget", "hmget", "hdel", "hexists", "pexpire")},
    **{name: f"{name} * 1" for name in ("lpush", "rpush", "lindex", "lpos", "sadd", "srem", "sismember")},
    **{name: f"{name} * 1" for name in ("zrank", "zrem", "zrevrank", "zscore")},
    **{name: f"{name} * 1 1" for name in ("hset", "hsetnx", "hincrby", "lrange", "lrem", "lset")},
    **{name: f"{name} * 1 1" for name in ("zadd", "zcount", "zrange", "zrangebyscore", "ltrim")},
}


def calls(keys: Keys) -> list[str]:
    """Return one call of each command, its words with spaces between, in the order of `NEEDED`."""
    key, channel = keys.record("0"), keys.channel("0")
    return [sent.replace("*", key).replace("#", channel) for sent in NEEDED.values()]


def missing(reply: list[int] | None) -> tuple[str, ...] | None:
    """Read the reply of `rights.lua`: what is not permitted; None where the server cannot say."""
    names = list(NEEDED)
    return None if reply is None else tuple(names[number - 1] for number in reply)
