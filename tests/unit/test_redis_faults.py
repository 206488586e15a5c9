"""Errors of the library and the server, in Celeriac's words."""

import importlib
import sys

import pytest
from redis import exceptions

from celeriac.brokers.redis.faults import fault_of
from celeriac.errors import (
    AccessDenied,
    BrokerUnavailable,
    MissingExtra,
    OperationalError,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
)

WHERE = "redis://server"


@pytest.mark.parametrize(
    ("error", "kind", "transient"),
    [
        (exceptions.ConnectionError("refused"), BrokerUnavailable, True),
        (exceptions.TimeoutError("slow"), BrokerUnavailable, True),
        (exceptions.BusyLoadingError("loading"), BrokerUnavailable, True),
        (exceptions.InvalidResponse("not redis"), BrokerUnavailable, True),
        (exceptions.NoScriptError("no script"), BrokerUnavailable, True),
        (exceptions.ResponseError("BUSY a script runs"), BrokerUnavailable, True),
        (exceptions.ClusterDownError("CLUSTERDOWN hash slot"), BrokerUnavailable, True),
        (exceptions.MasterDownError("MASTERDOWN link"), BrokerUnavailable, True),
        (exceptions.TryAgainError("TRYAGAIN multiple keys"), BrokerUnavailable, True),
        (exceptions.ReadOnlyError("a replica"), StoreReadOnly, True),
        (exceptions.ResponseError("NOREPLICAS too few"), StoreReadOnly, True),
        (exceptions.ResponseError("MISCONF cannot save"), StoreReadOnly, False),
        (exceptions.OutOfMemoryError("full"), StoreFull, False),
        (
            exceptions.ResponseError(
                "Error running script (call to f_1): @user_script:7: @user_script: 7: -OOM not allowed"
            ),
            StoreFull,
            False,
        ),
        (exceptions.ResponseError("WRONGTYPE Operation"), StoreCorrupt, False),
        (exceptions.AuthenticationError("WRONGPASS"), AccessDenied, False),
        (exceptions.AuthenticationWrongNumberOfArgsError("wrong number"), AccessDenied, False),
        (exceptions.NoPermissionError("no permission"), AccessDenied, False),
        (exceptions.ResponseError("ACL failure in script: User x has no permissions"), AccessDenied, False),
        (
            exceptions.ResponseError("The user executing the script can't run this command"),
            AccessDenied,
            False,
        ),
        (exceptions.MovedError("1 127.0.0.1:7000"), OperationalError, False),
        (exceptions.ResponseError("unknown command 'EVALSHA'"), OperationalError, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_has_a_word_and_is_known_to_pass_or_not(error, kind, transient):
    fault = fault_of(error, WHERE)

    assert type(fault.error) is kind
    assert fault.transient is transient
    assert WHERE in str(fault.error)


def test_without_the_libraries_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hiredis", None)
    for module in [name for name in sys.modules if name.startswith("celeriac.brokers.redis")]:
        monkeypatch.delitem(sys.modules, module)

    with pytest.raises(MissingExtra, match=r"pip install 'celeriac\[redis\]'"):
        importlib.import_module("celeriac.brokers.redis")
