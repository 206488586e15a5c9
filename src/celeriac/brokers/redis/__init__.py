"""The store on Redis (6.2 or newer) and Valkey: Lua scripts for every verb, records in hashes.

Only this folder knows Redis. `keys` names the keys, `wire` turns data into fields and back, `scripts`
loads `lua/`, `connection` talks, `broker` has the verbs, `bell` and `listener` wait.
"""

from celeriac.errors import MissingExtra

try:
    from celeriac.brokers.redis.broker import RedisBroker
except ModuleNotFoundError as error:
    if error.name not in ("redis", "hiredis"):
        raise
    raise MissingExtra(
        "this URL needs the Redis client libraries, install them with: pip install 'celeriac[redis]'"
    ) from error

__all__ = ["RedisBroker"]
