"""Errors as data, that come back without running foreign code."""

import sys
import types

import pytest

from celeriac import errors
from celeriac.errors import (
    TaskFailed,
    WorkerLostError,
)
from celeriac.outcome import (
    MESSAGE_LIMIT,
    TRACEBACK_LIMIT,
    ErrorInfo,
    decode_error,
    encode_error,
    stored,
)

# --- there ----------------------------------------------------------------------


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - SystemExit and the like too
        return caught


def journey(error: BaseException) -> BaseException:
    """Store *error*, read it, rebuild it."""
    return decode_error(stored(error)).rebuild()


def test_an_error_is_described_by_type_message_and_traceback():
    info = ErrorInfo.of(raised(KeyError("card")))

    assert (info.type, info.message, info.args) == ("builtins.KeyError", "'card'", ["card"])
    assert "Traceback (most recent call last)" in info.traceback
    assert "test_error_info.py" in info.traceback
    assert info.traceback.rstrip().endswith("KeyError: 'card'")


def test_the_traceback_tells_the_cause_too():
    error = ValueError("outer")
    error.__cause__ = raised(OSError("inner"))

    info = ErrorInfo.of(raised(error))

    assert "OSError: inner" in info.traceback
    assert "direct cause" in info.traceback


def test_an_error_that_was_never_raised_has_no_traceback():
    assert ErrorInfo.of(ValueError("x")).traceback == ""


def test_an_error_survives_the_journey():
    info = ErrorInfo.of(raised(ValueError("ünïcode", 1, 2.5, None, True)))

    assert decode_error(encode_error(info)) == info


class Sullen(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Brutal(Exception):
    def __str__(self):
        raise SystemExit(3)


class Mute(Exception):
    def __str__(self):
        return None  # type: ignore[return-value]


@pytest.mark.parametrize("kind", [Sullen, Brutal, Mute])
def test_an_error_whose_str_raises_is_described_all_the_same(kind):
    info = ErrorInfo.of(raised(kind("x")))

    assert info.message.startswith("<its __str__ raised")
    assert kind.__name__ in info.type
    assert encode_error(info)


class Secretive(Exception):
    @property
    def args(self):
        raise RuntimeError("none of your business")


class Strange(Exception):
    args = property(lambda self: 7)


@pytest.mark.parametrize("kind", [Secretive, Strange])
def test_an_error_whose_args_are_not_what_they_should_be_is_described_all_the_same(kind):
    info = ErrorInfo.of(raised(kind()))

    assert info.args is None
    assert isinstance(info.rebuild(), TaskFailed)


@pytest.mark.parametrize("text", ["x" * 5_000_000, "ü" * 2_000_000, "😀" * 1_000_000])
def test_a_huge_message_is_cut(text):
    info = ErrorInfo.of(raised(ValueError(text)))

    assert len(info.message.encode()) <= MESSAGE_LIMIT
    assert info.message == text[: len(info.message)]
    assert len(info.traceback.encode()) <= TRACEBACK_LIMIT
    assert info.args is None
    assert len(encode_error(info)) < 6 * (MESSAGE_LIMIT + TRACEBACK_LIMIT)


def test_a_deep_traceback_is_cut_and_keeps_its_end():
    def fall(depth):
        if depth == 0:
            raise ValueError("the ground")
        fall(depth - 1)

    with pytest.raises(ValueError, match="the ground") as caught:
        fall(400)
    info = ErrorInfo.of(caught.value)

    assert len(info.traceback.encode()) <= TRACEBACK_LIMIT
    assert info.traceback.rstrip().endswith("ValueError: the ground")


def test_a_ring_of_causes_is_described():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one

    assert "one" in ErrorInfo.of(one).traceback


def test_lone_surrogates_do_not_stop_an_error():
    error = raised(ValueError("broken \ud800 text", "\udfff"))

    info = decode_error(stored(error))

    assert "broken" in info.message
    assert info.args == ["broken ? text", "?"]


@pytest.mark.parametrize(
    "argument", [float("nan"), float("inf"), 2**200, -(2**63), b"bytes", object(), [1], {}]
)
def test_an_argument_that_json_does_not_hold_does_not_stop_an_error(argument):
    info = decode_error(stored(raised(ValueError(argument))))

    assert (info.type, info.message) == ("builtins.ValueError", str(argument))


def test_a_string_that_is_more_than_a_string_is_no_plain_argument():
    class Trap(str):
        __slots__ = ()

        def encode(self, *_):
            raise RuntimeError("trapped")

    assert ErrorInfo.of(ValueError(Trap("x"))).args is None


def test_a_group_of_errors_tells_of_all():
    group = ExceptionGroup("many", [raised(ValueError("one")), raised(KeyError("two"))])

    info = ErrorInfo.of(raised(group))

    assert "one" in info.traceback
    assert "two" in info.traceback
    assert isinstance(info.rebuild(), TaskFailed)


# --- and back -------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        ValueError(),
        KeyError("card"),
        ZeroDivisionError("division by zero"),
        OSError(13, "Permission denied"),
        FileNotFoundError(2, "No such file or directory", "/tmp/x"),
        ConnectionRefusedError(111, "Connection refused"),
        StopIteration(7),
        TimeoutError("slow"),
        WorkerLostError("killed"),
        errors.TimeoutError("slow"),
        errors.NotRegistered("no task"),
        TaskFailed("no card", "shop.CardDeclined"),
    ],
    ids=repr,
)
def test_a_builtin_error_and_our_own_come_back_as_they_were(error):
    back = journey(error)

    assert (type(back), str(back)) == (type(error), str(error))


def test_a_missing_file_is_still_called_by_its_name():
    with pytest.raises(FileNotFoundError) as caught:
        open("/no/such/file")  # noqa: PTH123, SIM115

    back = journey(caught.value)

    assert isinstance(back, FileNotFoundError)
    assert (back.filename, back.errno) == ("/no/such/file", 2)


def test_the_traceback_in_the_worker_comes_along_as_a_note():
    [note] = journey(raised(ValueError("x"))).__notes__

    assert "The traceback in the worker:" in note
    assert "test_error_info.py" in note


@pytest.fixture
def shop():
    """A module of the user's, imported here, whose every line of code says when it runs."""
    module = types.ModuleType("shop_of_errors")
    module.calls = []
    code = """
class Declined(Exception):
    def __init__(self, card, reason):
        calls.append("__init__")
        super().__init__(card, reason)

    def __str__(self):
        return f"{self.args[0]}: {self.args[1]}"

class Plain(ValueError): pass

class Eager(Exception):
    def __new__(cls, *args):
        calls.append("__new__")
        return super().__new__(cls, *args)

class Ours(TaskError):
    def __init__(self, *args):
        calls.append("__init__")
        super().__init__(*args)

class Net(OSError):
    def __init__(self, *args, request=None):
        calls.append("__init__")
        super().__init__(*args)

class Needy(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code

    def __str__(self):
        return f"code {self.code}"

class Leaving(SystemExit): pass
class Interrupt(BaseException): pass

def exploit(*args):
    calls.append("exploit")

def __getattr__(name):
    calls.append(f"__getattr__ {name}")
    raise AttributeError(name)
"""
    vars(module).update(TaskError=errors.TaskError)
    exec(code, vars(module))
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("Declined", ("4711", "no money")),
        ("Plain", ("x",)),
        ("Eager", ("x",)),
        ("Ours", ("x",)),
        ("Net", ("refused",)),
    ],
)
def test_a_users_error_comes_back_as_itself_and_none_of_its_constructors_runs(shop, name, args):
    error = getattr(shop, name)(*args)
    data = stored(error)
    shop.calls.clear()

    back = decode_error(data).rebuild()

    assert type(back) is getattr(shop, name)
    assert (back.args, str(back)) == (args, str(error))
    assert shop.calls == []


def test_an_error_that_would_not_say_the_same_without_its_constructor_is_not_rebuilt(shop):
    back = journey(shop.Needy(7))

    assert isinstance(back, TaskFailed)
    assert (back.message, back.type_name) == ("code 7", "shop_of_errors.Needy")


def test_an_error_of_a_module_that_is_not_imported_here_is_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)

    back = ErrorInfo("antigravity.Fall", "down", args=["down"]).rebuild()

    assert isinstance(back, TaskFailed)
    assert (back.message, back.type_name) == ("down", "antigravity.Fall")
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt("x"), GeneratorExit(), BaseException("x")]
)
def test_what_would_end_the_reader_is_not_rebuilt(error):
    back = journey(error)

    assert isinstance(back, TaskFailed)
    assert back.type_name == f"builtins.{type(error).__name__}"


def test_a_users_error_that_would_end_the_reader_is_not_rebuilt(shop):
    assert isinstance(journey(shop.Leaving(1)), TaskFailed)
    assert isinstance(journey(shop.Interrupt()), TaskFailed)


@pytest.mark.parametrize(
    "kind",
    [
        *("os.system", "builtins.eval", "builtins.print", "builtins.open", "builtins.int", "builtins.type"),
        *("shop_of_errors.exploit", "shop_of_errors.missing", "shop_of_errors", "", ".", "..", "x.", ".x"),
        *("builtins.__dict__", "sys.modules", "subprocess.Popen", "shop_of_errors.Plain.__init__"),
    ],
)
def test_whatever_the_stored_bytes_say_only_an_exception_class_is_ever_made(shop, kind):
    back = ErrorInfo(kind, "x", args=["x"]).rebuild()

    assert isinstance(back, TaskFailed)
    assert shop.calls == []


def test_arguments_that_do_not_fit_make_no_error_of_their_own():
    back = ErrorInfo("builtins.UnicodeDecodeError", "x", args=["only one"]).rebuild()

    assert isinstance(back, TaskFailed)
    assert back.message == "x"


def test_a_name_that_was_blocked_from_import_is_no_trap(monkeypatch):
    monkeypatch.setitem(sys.modules, "blocked", None)

    assert isinstance(ErrorInfo("blocked.Error", "x", args=[]).rebuild(), TaskFailed)


def test_an_error_without_bytes_is_still_an_error():
    assert decode_error(b"").type == "builtins.Exception"


@pytest.mark.parametrize("data", [b"{", b"[]", b"7", b'{"message":"x"}', b'{"type":7}', b"\xff\xfe"])
def test_broken_bytes_are_said_to_be_broken(data):
    with pytest.raises(errors.DecodeError, match="error cannot be read"):
        decode_error(data)
