"""The time that a running task has left, and whether it has fallen silent, as its page says it."""

from celeriac import codec
from celeriac.clock import ManualClock
from celeriac.dashboard.facts import facts_of
from celeriac.dashboard.hiding import Hiding
from celeriac.dashboard.watching import MOST, Watching
from celeriac.message import Message, Record
from celeriac.states import State
from celeriac.updates import update_of


def running(current, id="a"):
    meta = codec.encode({"current": current, "total": 100}, what="meta")
    return Record(
        Message(id, "shop.report"), State.RUNNING, custom="PROGRESS", meta=meta, worker="w", fence=1
    )


def note(watching, app, record):
    return watching.noted(app, record, facts_of(record, Hiding())).progress


def test_the_time_left_is_guessed_from_what_was_seen_and_silence_is_told(app):
    app.clock, watching = ManualClock(), Watching()
    notes = []
    for step in range(12):
        notes.append(note(watching, app, running(step * 5)).note)
        app.clock.advance(2)
    app.clock.advance(300)

    silent = note(watching, app, running(55))

    assert notes[0] == ""
    assert notes[-1].startswith("about ")
    assert silent.stalled in ("silent", "lost")
    assert silent.note != ""
    assert update_of(app, "a", running(1)).current == 1


def test_of_those_looked_at_long_ago_nothing_is_remembered(app):
    watching = Watching()

    for at in range(MOST + 10):
        note(watching, app, running(1, id=f"t{at}"))

    assert len(watching._outlooks) == MOST
    assert "t0" not in watching._outlooks
