"""The tasks that somebody has picked, each by its id: cancelled, retried, deleted, after a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from celeriac.criteria import ENDED, UNENDED
from celeriac.dashboard.roles import Role
from celeriac.dashboard.visit import Action, Done, Question, Unclear, Visit
from celeriac.message import Record, check_id
from celeriac.states import State

if TYPE_CHECKING:
    from celeriac.app import Celeriac

MOST: Final = 1_000  # tasks at once
NAMED: Final = 5  # of which the question tells the names


class Verb(msgspec.Struct, frozen=True):
    """Something that can be done with tasks.

    Attributes:
        name: in the words of `bulk`. role: who may. fits: whether it can be done with a task now.
        act: does it; returns with how many it was done.
    """

    name: str
    role: Role
    fits: Callable[[Record], bool]
    act: Callable[[Celeriac, Sequence[str], float], int]


def _cancelled(app: Celeriac, ids: Sequence[str], now: float) -> int:
    return sum(answer in ("cancelled", "stopping", "noted") for answer in app.broker.cancel(ids, now))


VERBS: Final = (
    Verb("revoke", Role.OPERATOR, lambda record: record.state in UNENDED, _cancelled),
    Verb(
        "retry",
        Role.OPERATOR,
        lambda record: record.state is State.FAILED and record.fence > 0,
        lambda app, ids, now: sum(app.broker.requeue(ids, now)),
    ),
    Verb(
        "delete",
        Role.ADMIN,
        lambda record: record.state in ENDED,
        lambda app, ids, now: app.broker.forget(ids),  # noqa: ARG005 - all verbs are called alike
    ),
)


class Picked(msgspec.Struct, frozen=True):
    """What a form means: *fitting* are those of *ids* with which it can be done."""

    verb: Verb
    ids: list[str]
    fitting: list[Record]

    @property
    def back(self) -> str:
        """Where one goes on."""
        return f"/tasks/{self.ids[0]}" if len(self.ids) == 1 else "/tasks"


def _picked(visit: Visit) -> Picked:
    """Read the form.

    Raises:
        Unclear: it names no action, no task or too many.
    """
    say, asked = visit.site.say, visit.form.get("action", "")
    verb = next((verb for verb in VERBS if verb.name == asked), None)
    if verb is None:
        raise Unclear(say("bulk.unknown", actions=", ".join(verb.name for verb in VERBS)))
    ids = [check_id(each) for each in dict.fromkeys(visit.form.get("id", "").split())]
    if not 0 < len(ids) <= MOST:
        raise Unclear(say("picked.which", most=f"{MOST:,}"))
    found = visit.app.broker.get(ids)
    return Picked(verb, ids, [record for record in found if record is not None and verb.fits(record)])


def needed(visit: Visit) -> Role:
    """Say who may do what the form says."""
    asked = visit.form.get("action", "")
    return next((verb.role for verb in VERBS if verb.name == asked), Role.OPERATOR)


def ask(visit: Visit) -> Question:
    """Say with which tasks it can be done, before it is."""
    say, picked = visit.site.say, _picked(visit)
    verb, count = picked.verb.name, f"{len(picked.fitting):,}"
    left = len(picked.ids) - len(picked.fitting)
    named = [f"{record.message.name} {record.id}" for record in picked.fitting[:NAMED]]
    if len(picked.fitting) > NAMED:
        named.append(say("more", n=len(picked.fitting) - NAMED))
    facts = [say(f"bulk.{verb}.would", n=count)]
    if left:
        facts.append(say("picked.left", n=f"{left:,}"))
    return Question(
        say(f"bulk.{verb}.title", n=count),
        tuple(facts),
        say(f"picked.{verb}"),
        picked.back,
        named=tuple(named),
        harmless=verb == "retry",
    )


def act(visit: Visit) -> Done:
    """Do it with all with which it can be done."""
    picked, app = _picked(visit), visit.app
    ids = [record.id for record in picked.fitting]
    done = picked.verb.act(app, ids, visit.now) if ids else 0
    app.acted(picked.verb.name, " ".join(ids), done)
    text = visit.site.say("bulk.done", n=f"{done:,}", m=f"{len(picked.ids):,}")
    to = "/tasks" if picked.verb.name == "delete" else picked.back
    return Done(text, to, ok=done > 0, data={"done": done, "left": len(picked.ids) - done})


PAGES: Final = ()
ACTIONS: Final = (Action("/picked", Role.OPERATOR, act, ask, needed),)
