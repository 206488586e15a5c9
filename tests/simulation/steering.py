"""Whether commands are obeyed, what tasks say is stored in time, and what is counted has happened."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from celeriac import tally
from celeriac.broker import LOOKED_AT
from celeriac.criteria import UNENDED, Criteria
from celeriac.message import Delivery, Record
from celeriac.outcome import Settlement
from celeriac.states import State, Verdict
from celeriac.steering import body_of

PLACES = {
    Verdict.SUCCEEDED: tally.SUCCEEDED,
    Verdict.FAILED: tally.FAILED,
    Verdict.CANCELLED: tally.CANCELLED,
    Verdict.RETRY: tally.RETRIED,
    Verdict.CRASHED: tally.CRASHED,
}


class Steering:
    """What was commanded, said and counted so far.

    Attributes:
        told: how many commands each worker was given.
        drained: of each worker that claims nothing, the number of the last trip that may.
        said: how many lines the code of a task has said under each fence.
        settled: how often tasks of a queue and a name have come to what is counted.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self.told: Counter[str] = Counter()
        self.drained: dict[str, int] = {}
        self.said: defaultdict[tuple[str, int], list[bytes]] = defaultdict(list)
        self.settled: Counter[tuple[str, str, int]] = Counter()

    def says(self, run: Any, text: str) -> None:
        """Have a task say *text*, as its log handler does.

        What is said after the outcome may come too late: by one that was written off, or by a batch for a
        call of it that was revoked meanwhile.
        """
        body = body_of("shop", text)
        for call in run.calls:
            if not (call.void or call.settled):
                self.said[call.delivery.id, call.delivery.fence].append(body)
        run.log(20, self._world.clock.now(), body)

    def claims(self, worker: str, trip: int, claims: Iterable[Delivery]) -> None:
        """Note that *worker* was given tasks: none if it was told to drain before it asked."""
        late = [claim.id for claim in claims] if trip > self.drained.get(worker, trip) else []
        self._world.history.must(not late, f"{worker} claims nothing, and got {late}")

    def settles(self, settlement: Settlement, queue: str, name: str) -> None:
        """Note what a task has come to: what its code has said must be there by then."""
        key = settlement.id, settlement.fence
        said, place = self.said.pop(key, None), PLACES.get(settlement.verdict)
        if place is not None:
            self.settled[queue, name, place] += 1
        if said and place is not None:
            entries = self._world.store.truth.read_log(settlement.id)
            found = [entry.body for entry in entries if entry.attempt == settlement.fence]
            there = [line for line in dict.fromkeys(found) if line in said]
            self._world.history.must(there == said, f"{settlement.id} has said {said}, and kept was {found}")

    # --- what is looked at now and then ---------------------------------------------------------------

    def check_heard(self, workers: Iterable[tuple[str, int]]) -> None:
        """Check that *workers* have heard all that they were told; with each the last that it has heard.

        Of one worker the numbers rise; some stores leave some out.
        """
        for worker, heard in workers:
            told = self.told[worker]
            self._world.history.must(heard >= told, f"{worker} has heard {heard} of {told} commands")

    def check_numbers(self, *, all_of_them: bool = False) -> None:
        """Check that no more was counted than there was; where nothing was killed, in the end, all of it."""
        counted: Counter[tuple[str, str, int]] = Counter()
        for row in self._world.store.truth.counted():
            for place in PLACES.values():
                counted[row.queue, row.name, place] += row.numbers.get(place, 0)
        for key, number in counted.items():
            held = self.settled[key]
            self._world.history.must(number <= held, f"{number} were counted of {key}, and there were {held}")
        if all_of_them:
            missing = self.settled - counted
            self._world.history.must(not missing, f"nobody has counted {missing}")

    def check_search(self, unfinished: Iterable[Record]) -> None:
        """Check that what has not ended is found, each once, and counted as it is found."""
        truth, known = self._world.store.truth, {record.id: record.state for record in unfinished}
        found, after = [], ""
        while True:
            page = truth.find(Criteria(states=UNENDED), after, 100, LOOKED_AT)
            found += [(record.id, record.state) for record in page.records]
            after = page.after
            if not after:
                break
        self._world.history.must(sorted(found) == sorted(known.items()), f"found are {found}, not {known}")
        totals = {state: total.number for state, total in truth.totals().items() if state in UNENDED}
        counts = Counter(known.values())
        same = all(totals[State(state)] == counts[state] for state in UNENDED)
        self._world.history.must(same, f"the totals are {totals}, and there are {counts}")
