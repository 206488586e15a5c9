"""The same done with all tasks that a filter means: counted first; what takes long has a page of its own."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import msgspec

from celeriac.bulk import ACTIONS as BULK_ACTIONS
from celeriac.bulk import Action as BulkAction
from celeriac.bulk import Bulk
from celeriac.dashboard.jobs import Job
from celeriac.dashboard.pages.dead import latest
from celeriac.dashboard.roles import Role
from celeriac.dashboard.visit import Action, Done, Missing, Page, Question, Refused, Unclear, Visit

TYPED_ABOVE: Final = 100
HARMLESS: Final = ("retry", "run-now")  # what destroys nothing
PATIENCE: Final = 1.0  # seconds for which a page waits; what takes longer gets one of its own


class BulkView(msgspec.Struct, frozen=True):
    """A bulk action.

    Attributes:
        state: running, done, stopped or failed. error: why it failed.
        done: with how many of the eligible ones it was done. left: why not with others, and with how many.
    """

    id: str
    query: str
    verb: str
    state: str
    error: str
    matched: int
    eligible: int
    done: int
    left: dict[str, int]


def look(visit: Visit) -> BulkView:
    """Look at the bulk action that the address names."""
    job = _job(visit)
    result = job.result
    return BulkView(
        id=job.id,
        query=job.query,
        verb=job.verb,
        state=job.state,
        error=job.error,
        matched=result.matched,
        eligible=result.eligible,
        done=result.done,
        left=result.left,
    )


def _job(visit: Visit) -> Job:
    job = visit.site.jobs.get(visit.path["id"])
    if job is None:
        raise Missing(visit.site.say("bulk.missing"))
    return job


# --- actions --------------------------------------------------------------------------------------------


def _asked(visit: Visit) -> tuple[str, BulkAction, float]:
    """Return the filter, the action, and before which moment tasks were sent that are meant.

    Raises:
        Unclear: there is no such action.
    """
    verb = visit.form.get("action", "")
    for known in BULK_ACTIONS:
        if known == verb:
            return visit.form.get("q", "").strip(), known, latest(visit)
    raise Unclear(visit.site.say("bulk.unknown", actions=", ".join(BULK_ACTIONS)))


def needed(visit: Visit) -> Role:
    """Say who may: deleting is for administrators, also when it is only counted what would be."""
    return Role.ADMIN if visit.form.get("action") == "delete" else Role.OPERATOR


def _back(query: str) -> str:
    return f"/tasks?{urlencode({'q': query})}"


def ask_bulk(visit: Visit) -> Question:
    """Count first: how many are meant, with how many it can be done, why not with the others."""
    say, (query, verb, until) = visit.site.say, _asked(visit)
    would = visit.app.bulk(visit.site.meant(query), verb, until=until)
    facts = (
        say("bulk.matched", n=f"{would.matched:,}", query=query),
        say(f"bulk.{verb}.would", n=f"{would.eligible:,}"),
        *_why_not(visit, would),
        say("bulk.until"),
    )
    needs = verb == "delete" and would.eligible > TYPED_ABOVE
    typed = str(would.eligible) if needs else ""
    return Question(
        say(f"bulk.{verb}.title", n=f"{would.eligible:,}"),
        facts,
        say(f"bulk.{verb}"),
        _back(query),
        typed,
        harmless=verb in HARMLESS,
    )


def _why_not(visit: Visit, result: Bulk) -> list[str]:
    return [visit.site.say("bulk.left", n=f"{count:,}", why=why) for why, count in result.left.items()]


def bulk(visit: Visit) -> Done:
    """Do the same with all tasks that a filter means; programs may ask for a dry run."""
    query, verb, until = _asked(visit)
    app, meant = visit.app, visit.site.meant(query)
    if visit.form.get("dry_run") == "yes":
        return _told(visit, query, app.bulk(meant, verb, until=until))
    if visit.api:
        return _told(visit, query, app.bulk(meant, verb, dry_run=False, until=until))
    job = Job(query, verb, lambda told: app.bulk(meant, verb, dry_run=False, until=until, progress=told))
    visit.site.jobs.begin(job)
    if not job.wait(PATIENCE):
        return Done(visit.site.say("bulk.begun"), f"/bulk/{job.id}")
    if job.state == "failed":
        raise Refused(job.error)
    return _told(visit, query, job.result)


def _told(visit: Visit, query: str, result: Bulk) -> Done:
    text = visit.site.say("bulk.done", n=f"{result.done:,}", m=f"{result.matched:,}")
    if result.dry_run:
        text = visit.site.say(f"bulk.{result.action}.would", n=f"{result.eligible:,}")
    text = " ".join((text, *_why_not(visit, result)))
    data = {"matched": result.matched, "eligible": result.eligible, "done": result.done}
    return Done(
        text,
        _back(query),
        ok=result.dry_run or result.done > 0,
        data={**data, "left": result.left, "dry_run": result.dry_run},
    )


def stop(visit: Visit) -> Done:
    """Stop a bulk action after its step; what it has done stays done."""
    job = _job(visit)
    was_over = job.is_over
    job.stop()
    key = "bulk.stop.late" if was_over else "bulk.stop.done"
    return Done(visit.site.say(key), f"/bulk/{job.id}", ok=not was_over)


PAGES: Final = (Page("/bulk/{id}", "bulk.html", look, "tasks", every=0.5),)
ACTIONS: Final = (
    Action("/bulk", Role.OPERATOR, bulk, ask_bulk, needed),
    Action("/bulk/{id}/stop", Role.OPERATOR, stop),
)
