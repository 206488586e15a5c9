"""The options that every command takes, before its name or after it, and the types of what is given."""

from __future__ import annotations

import functools
import getpass
import math
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from click.core import ParameterSource

from celeriac.acting import acting
from celeriac.cli.session import Session, wants_color
from celeriac.errors import CeleriacError, ConfigurationError
from celeriac.message import check_queue_name

HELP: Final = {"help_option_names": ["-h", "--help"]}
ENVIRONMENT: Final = "CELERIAC"
# Options whose variable would be that of a setting which means something else.
OTHER_TWINS: Final = {("beat", "--schedule"): "CELERIAC_BEAT_PREVIEW_SCHEDULE"}
EPILOG: Final = (
    "The options of `celeriac` itself (-A, -b, --namespace, --json, --no-color, -q) may stand here too."
)


# --- global options ---------------------------------------------------------------------------------


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Tell the session what was given; what is given after the command's name comes later and wins."""
    session = context.find_object(Session)
    name = str(parameter.name)
    if session is None or value is None or context.resilient_parsing:
        return
    typed = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    match name:
        case "app":
            session.reference = _checked_reference(value)
            session.words = ["-A", value] if typed else []
        case "broker" | "namespace":
            if typed and name == "broker":
                _check_scheme(value)
            if typed:  # from the environment it is a setting, which the application's code may override
                setattr(session, name, value)
        case "no_color":
            context.color = wants_color(value)
        case _:
            setattr(session, name, value)


def _check_scheme(url: str) -> None:
    from celeriac.brokers import check_scheme

    try:
        check_scheme(url)
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from error


def _checked_reference(value: str) -> str:
    """Return *value* if it can say where an application is; whether one is there shows when it is loaded."""
    from celeriac.loading import LoadError, parse

    try:
        parse(value)
    except LoadError:  # a file that is not there: told by the command that needs it
        return value
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from error
    return value


def global_options(*, top: bool) -> list[click.Option]:
    """Make the options; only at the *top* have they environment variables and help."""
    shared: dict[str, Any] = {"expose_value": False, "callback": _keep, "hidden": not top}

    def option(*names: str, help: str, **more: Any) -> click.Option:
        more = {"allow_from_autoenv": top, "show_envvar": top, "default": None, **shared, **more}
        return click.Option(names, help=help, **more)

    return [
        option("-A", "--app", metavar="MODULE[:NAME]", help="Where the application is: a module or a file."),
        option(
            "-b",
            "--broker",
            metavar="URL",
            help="The store, instead of the application's own.",
            envvar="CELERIAC_BROKER_URL" if top else None,
            allow_from_autoenv=False,
        ),
        option("--namespace", metavar="NAME", help="The application's share of a Redis, instead of its own."),
        option("--json", is_flag=True, help="Answer with one JSON object per line."),
        option("--no-color", is_flag=True, help="Never colour; NO_COLOR does the same."),
        option("-q", "--quiet", is_flag=True, help="Answer, but tell nothing beside it."),
    ]


def _with_session(function: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> int:
        with acting(_user()):
            return function(click.get_current_context().find_object(Session), *args, **given)

    return call


def _user() -> str:
    """Return who sits at the terminal, as far as the system knows: `ana@web-1`."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        name = "?"
    return f"{name}@{socket.gethostname()}"


def command(name: str, **attributes: Any) -> Callable[[Callable[..., int]], click.Command]:
    """Make a command that takes the session first and also has the global options."""

    def make(function: Callable[..., int]) -> click.Command:
        decorate: Any = click.command(name, context_settings=HELP, epilog=EPILOG, **attributes)
        made: click.Command = decorate(_with_session(function))
        for parameter in made.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                parameter.envvar = twin_of(name, parameter)
        made.params.extend(global_options(top=False))
        return made

    return make


def twin_of(command: str, option: click.Option) -> str:
    """Return the variable that stands in for *option* of *command*: of its long name, as it is typed."""
    long = next(word for word in option.opts if word.startswith("--"))
    made = f"{ENVIRONMENT}_{command}_{long.removeprefix('--')}".upper().replace("-", "_")
    return OTHER_TWINS.get((command, long), made)


# --- types ------------------------------------------------------------------------------------------

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # no generic in older versions


class _Seconds(ParamType):
    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < 1e10:
            self.fail(f"{value!r} is not a number of seconds from 0 up", param, ctx)
        return seconds


class _Moment(ParamType):
    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a moment such as 2030-01-31T12:00 or 2030-01-31T12:00+02:00", param, ctx
            )


class _SecondsOrMoment(ParamType):
    name = "seconds|moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | datetime:
        try:
            float(value)
        except (TypeError, ValueError):
            return MOMENT.convert(value, param, ctx)
        return SECONDS.convert(value, param, ctx)


_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


class _Ago(ParamType):
    name = "span|moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | datetime:
        if isinstance(value, timedelta | datetime):
            return value
        number, unit = value[:-1], value[-1:]
        try:
            if unit in _UNITS and 0 <= float(number) * _UNITS[unit] < 1e9:
                return timedelta(seconds=float(number) * _UNITS[unit])
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither a span such as 90s, 30m, 6h or 7d, nor a moment such as "
                "2030-01-31T12:00",
                param,
                ctx,
            )


class _Json(ParamType):
    def __init__(self, kind: type, name: str, example: str) -> None:
        self.kind, self.name, self.example = kind, name, example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, self.kind):
            return value
        try:
            found = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError) as error:
            self.fail(f"it is not JSON ({error}); write {self.example}", param, ctx)
        if not isinstance(found, self.kind):
            self.fail(f"it must be a JSON {self.name}; write {self.example}", param, ctx)
        return found


class _KeyValue(ParamType):
    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not key=value", param, ctx)
        return key, json_or_text(text)


class _Address(ParamType):
    name = "[host:]port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        if not port.isdecimal() or int(port) > 65_535:
            self.fail(f"{value!r} is not [HOST:]PORT, such as 8081 or 0.0.0.0:8081", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


class _QueueNames(ParamType):
    name = "queue,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        if not names:
            self.fail("it names no queue", param, ctx)
        try:
            return tuple(check_queue_name(name) for name in names)
        except CeleriacError as error:
            self.fail(str(error), param, ctx)


def json_or_text(text: str) -> Any:
    """Read *text* as JSON; what is no JSON is meant as it stands."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return text


SECONDS: Final = _Seconds()
MOMENT: Final = _Moment()
SECONDS_OR_MOMENT: Final = _SecondsOrMoment()
ADDRESS: Final = _Address()
AGO: Final = _Ago()
JSON_LIST: Final = _Json(list, "array", "'[1, \"two\"]'")
JSON_OBJECT: Final = _Json(dict, "object", "'{\"size\": 3}'")
KEY_VALUE: Final = _KeyValue()
QUEUE_NAMES: Final = _QueueNames()


def flattened(groups: tuple[tuple[str, ...], ...]) -> list[str]:
    """Join the names of an option that may be given more than once; each once."""
    return list(dict.fromkeys(name for group in groups for name in group))
