"""What all requests to one dashboard share: the application, the settings, the templates, the files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import jinja2
from markupsafe import Markup
from msgspec.structs import replace

from celeriac.brokers import masked
from celeriac.dashboard import icons, shown, words
from celeriac.dashboard.access import Access
from celeriac.dashboard.checkup import Checkup
from celeriac.dashboard.figures import Figures
from celeriac.dashboard.hiding import Hiding
from celeriac.dashboard.jobs import Jobs
from celeriac.dashboard.remembered import Remembered
from celeriac.dashboard.tails import Tails
from celeriac.dashboard.watching import Watching
from celeriac.filters import Filter
from celeriac.parsing import parse
from celeriac.version import __version__

if TYPE_CHECKING:
    from celeriac.app import Celeriac

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
UNNAMED: Final = "celeriac"  # what an application is called where only a store was named
Live = Literal["stream", "poll", "off"]


class Site:
    """One dashboard.

    Args:
        allowed_hosts: names that the Host header may have; None for any.
        trusted_origins: of pages that may send requests besides our own.
        read_only: whether nothing can be changed, by nobody.
        live: how news reach the browser.
        hidden_keys: more names of arguments whose values are secrets.
        language: of the words, see `words`.
    """

    def __init__(
        self,
        app: Celeriac,
        access: Access,
        *,
        allowed_hosts: Collection[str] | None = None,
        trusted_origins: Collection[str] = (),
        read_only: bool = False,
        live: Live = "stream",
        hidden_keys: Collection[str] = (),
        language: str = "en",
    ) -> None:
        self.app, self.access = app, access
        self.allowed_hosts = None if allowed_hosts is None else frozenset(map(str.lower, allowed_hosts))
        self.trusted_origins = frozenset(trusted_origins)
        self.read_only, self.live = read_only, live
        self.hiding = Hiding((*app.conf.redact_keys, *hidden_keys), app.parameters_of)
        self.checkup = Checkup()
        self.watching = Watching()
        self.figures = Figures()
        self.remembered = Remembered()
        self.tails = Tails()
        self.jobs = Jobs()
        self.at_end: list[Callable[[], None]] = [
            self.jobs.end
        ]  # what is called, in its loop, before a server ends
        self.say = words.speaker(language)
        self.language = language
        self._templates = _environment(language)

    @property
    def name(self) -> str:
        """What tells this dashboard's tab from another one's: the application, or its share of the store.

        An application that nobody has named is called by its store as well.
        """
        name = self.namespace or self.app.main
        return f"{name} · {_place(self.app.broker_url)}" if name == UNNAMED else name

    @property
    def namespace(self) -> str:
        """The application's share of the store, where others may have theirs in it too; "" else."""
        is_alone = self.app.broker_url.startswith(("sqlite:", "memory:"))
        return "" if is_alone else str(self.app.store_options["namespace"])

    def warm(self) -> None:
        """Compile all templates, for which the first visitor of each page would have to wait."""
        for template in self._templates.list_templates():
            self._templates.get_template(template)

    def meant(self, query: str) -> Filter:
        """Read a filter: what is hidden from people is hidden from it, or they could guess it.

        Raises:
            InvalidFilter: it cannot be read.
        """
        return replace(parse(query, self.app.clock.now()), conceal=self.hiding.arguments)

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Fill in a template."""
        return self._templates.get_template(template).render(values)


def _place(url: str) -> str:
    """Return the part of a store's URL that tells it from others: server and number, or the file's name."""
    place = masked(url).partition("://")[2].rpartition("@")[2].partition("?")[0]
    return place.rpartition("/")[2] if url.startswith("sqlite:") else place


@cache
def _environment(language: str) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,  # whatever a template is called
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    say = words.speaker(language)
    made.filters.update(
        span=shown.span, number=shown.number, short=shown.short, iso=shown.moment, bytes=shown.size
    )
    made.filters.update(clock_time=shown.clock_time, tail=shown.tail)
    made.globals.update(t=say, state_word=partial(words.state_word, say))
    made.globals.update(static=static_hash(), version=__version__, state=icons.state)
    return made


def _finalized(value: Any) -> Any:
    """Make text visible on its way into a page, wherever it comes from."""
    return shown.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def static_files() -> dict[str, bytes]:
    """Return the files for the browser by their paths."""
    found = {
        str(path.relative_to(STATIC)): path.read_bytes()
        for path in sorted(STATIC.rglob("*"))
        if path.suffix in {".js", ".css"}
    }
    return {**found, "icons.svg": icons.sprite().encode()}


@cache
def static_hash() -> str:
    """Return what changes in their addresses when one of them changes."""
    whole = hashlib.sha256()
    for name, body in static_files().items():
        whole.update(f"{name}\0{len(body)}\0".encode() + body)
    return whole.hexdigest()[:12]
