"""Somebody who follows tasks, as a page that shows progress does."""

from celeriac.errors import CeleriacError
from celeriac.message import Record
from tests.simulation.world import Actor, World


class Onlooker(Actor):
    """Watches tasks through one listener; reads again only what that says has changed."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._listener = self.broker.listener()
        self._seen: dict[str, Record] = {}
        world.lookers.append(self)

    def move(self) -> None:
        chance = self.world.chance
        self.wakes = self.world.time + chance.choice((0.1, 1.0, 5.0))
        try:
            self._read(self._listener.wait(0.0))
            if not self.world.calm:
                self._watch_more()
        except CeleriacError as error:
            self.world.say(f"{self.name} could not look: {error}")

    def _watch_more(self) -> None:
        known = self.world.history.tasks.keys() - self._seen.keys()
        ids = self.world.chance.sample(sorted(known), min(3, len(known)))
        for record in self._listener.watch(ids):
            if record is not None:
                self._see(record)

    def _read(self, changed: set[str] | None) -> None:
        ids = sorted(self._seen if changed is None else changed & self._seen.keys())
        for task_id, record in zip(ids, self.broker.get(ids), strict=True):
            if record is None:  # it was forgotten; one that is sent again is another one
                del self._seen[task_id]
            else:
                self._see(record)

    def _see(self, record: Record) -> None:
        before = self._seen.get(record.id)
        self._seen[record.id] = record
        if before is not None:
            forth = before.fence <= record.fence and (not before.state.final or before == record)
            self.world.history.must(forth, f"{record.id} went back from {before} to {record}")

    def check_end(self) -> None:
        """Check that nothing was missed: what has ended is known to have."""
        self._read(self._listener.wait(0.0))
        self._read({task_id for task_id in self._seen if task_id not in self.world.history.tasks})
        for task_id, record in self._seen.items():
            known = self.world.history.tasks.get(task_id)
            done = known is None or known.final is None or record.state.final
            self.world.history.must(done, f"{self.name} never heard that {task_id} has ended")

    def leave(self) -> None:
        self.world.lookers.remove(self)
        self._listener.close()
