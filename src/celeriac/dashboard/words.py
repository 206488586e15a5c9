"""All words of the dashboard, in one place.

A page has no words of its own: it asks by a key. So another language is another dictionary, and the pseudo
language of the tests finds what was written elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

ENGLISH: Final[dict[str, str]] = {
    # --- the frame
    "product": "Celeriac",
    "skip": "Skip to the content",
    "navigation": "Pages",
    "section.overview": "Overview",
    "section.tasks": "Tasks",
    "section.queues": "Queues",
    "section.workers": "Workers",
    "section.schedules": "Schedules",
    "section.dead": "Failed",
    "section.flows": "Flows",
    "section.settings": "Settings",
    "title": "{page} · {app}",
    "store": "Store",
    "who": "{name}, {role}",
    "role.viewer": "viewer",
    "role.operator": "operator",
    "role.admin": "administrator",
    "read_only": "Read-only: nothing can be changed here",
    "log_out": "Log out",
    "as_json": "This page as JSON",
    "version": "Celeriac {version}",
    "live.live": "Live",
    "live.paused": "Paused",
    "live.lost": "Reconnecting",
    "live.off": "As of {time}",
    "live.pause": "Pause live updates",
    "live.pause.short": "Pause",
    "live.trouble": "The store does not answer",
    "close": "Close",
    "keys.title": "Keys",
    "keys.go": "go to a page",
    "keys.move": "down and up in a table",
    "keys.open": "open",
    "keys.filter": "search",
    "keys.pause": "pause live updates",
    "keys.theme": "light or dark",
    "keys.help": "this help",
    "keys.off": "Switch single keys off",
    "theme.set": "Set",
    "theme": "Theme",
    "theme.system": "As the system",
    "theme.light": "Light",
    "theme.dark": "Dark",
    "terminal": "In the terminal",
    "copy": "Copy",
    "copied": "Copied",
    "never": "never",
    "none": "none",
    "nothing": "–",
    "ago": "{span} ago",
    "in": "in {span}",
    "now": "now",
    "back": "Back",
    "more": "and {n} more",
    "yes": "yes",
    "no": "no",
    # --- log in
    "login.title": "Log in",
    "login.name": "Name",
    "login.password": "Password",
    "login.button": "Log in",
    "login.wrong": "This name and password do not belong together.",
    "login.often": "Too many wrong passwords. Try again in a minute.",
    "login.out": "You have logged out.",
    # --- errors
    "error.stranger.title": "Who are you?",
    "error.stranger.text": "The dashboard does not know you.",
    "error.stranger.local": "Open the address that `celeriac dashboard` has printed in its terminal. "
    "Each address lets in once; after that the terminal shows another one.",
    "error.stranger.asked": "The application that this dashboard is part of has not let you in.",
    "error.role.title": "Not allowed",
    "error.role.text": "This needs the role {needed}; yours is {yours}.",
    "error.read_only.text": "This dashboard is read-only.",
    "error.host.title": "Unknown host",
    "error.host.text": "This dashboard does not answer to the name {host}. "
    "Start it with --allowed-host {host} if that is its name.",
    "error.origin.title": "Request from elsewhere",
    "error.origin.text": "This request did not come from a page of this dashboard, so nothing was changed. "
    "Programs use a bearer token.",
    "error.missing.title": "Nothing here",
    "error.missing.text": "There is no page at this address.",
    "error.method.title": "Not in this way",
    "error.method.text": "This address takes another kind of request.",
    "error.store.title": "The store cannot be reached",
    "error.store.text": "{error}",
    "error.store.hint": "Tasks that were accepted are safe. This page works again as soon as the store does.",
    "error.refused.title": "This cannot be done",
    "error.bug.title": "This is a bug",
    "error.bug.text": "The page could not be made: {error}. The log has the traceback.",
    # --- asking first
    "confirm.back": "No, go back",
    "confirm.typed": "Type {word} to go on",
    "confirm.mistyped": "What was typed is not {word}.",
    # --- states
    "state.PENDING": "Waiting",
    "state.WAITING": "Waiting for others",
    "state.SCHEDULED": "Scheduled",
    "state.STARTED": "Running",
    "state.RETRY": "Waiting for its retry",
    "state.SUCCESS": "Done",
    "state.FAILURE": "Failed",
    "state.REVOKED": "Cancelled",
    "state.UNKNOWN": "Unknown",
    # --- queues
    "queues.title": "Queues",
    "queues.caption": "Queues with tasks that have not ended, and paused ones",
    "queues.none": "No task waits or runs, and no queue is paused.",
    "queue.name": "Queue",
    "queue.queued": "Queued",
    "queue.scheduled": "Scheduled",
    "queue.running": "Running",
    "queue.waiting": "Waiting for others",
    "queue.held": "Held by limits",
    "queue.parked": "Unknown names",
    "queue.oldest": "Oldest",
    "queue.workers": "Workers",
    "queue.state": "State",
    "queue.actions": "Actions",
    "queue.open": "Served",
    "queue.paused": "Paused",
    "queue.unserved": "Nobody serves it",
    "queue.idle": "No worker",
    "queue.pause": "Pause",
    "queue.resume": "Resume",
    "queue.purge": "Purge",
    "queue.was_paused": "The queue {name} is paused: no worker takes anything from it.",
    "queue.is_paused": "The queue {name} was paused already.",
    "queue.was_resumed": "The queue {name} is served again.",
    "queue.not_paused": "The queue {name} was not paused.",
    "queue.purged": "{n} tasks of the queue {name} were cancelled.",
    "queue.purge.title": "Cancel all that waits in the queue {name}?",
    "queue.purge.queued": "{n} queued and {m} scheduled tasks would be cancelled.",
    "queue.purge.kept": "Running tasks go on; tasks that wait for others are left alone.",
    "queue.purge.for_ever": "This cannot be undone.",
    "queue.title": "Queue {name}",
    "queue.numbers": "How many tasks are where",
    "queue.listeners": "Workers that serve it",
    "queue.none": "The queue {name} has no task that has not ended, and is not paused.",
}


def english(key: str, /, **values: Any) -> str:
    """Return the English words for *key*, with *values* filled in."""
    return _said(ENGLISH, key, values)


def _said(words: Mapping[str, str], key: str, values: Mapping[str, Any]) -> str:
    text = words[key]
    return text.format_map(values) if values else text


def pseudo(key: str, /, **values: Any) -> str:
    """Return the words longer, accented and in brackets, so that what is not among them stands out."""
    accented = str.maketrans("aeiouAEIOU", "áéíóúÁÉÍÓÚ")
    parts = ENGLISH[key].split("{")
    text = "{".join(
        [parts[0].translate(accented)]
        + [
            f"{name}}}{rest.translate(accented)}"
            for name, _, rest in (part.partition("}") for part in parts[1:])
        ]
    )
    return f"⟦{text.format_map(values) if values else text} ~~⟧"


_SPEAKERS: Final[dict[str, Callable[..., str]]] = {"en": english, "x-pseudo": pseudo}


def speaker(language: str) -> Callable[..., str]:
    """Return the function that knows the words of *language*; English where there is none."""
    return _SPEAKERS.get(language, english)
