"""The names of all keys; the only other place that makes one is `lua/include/keys.lua`.

All keys of a namespace have one hash tag, so that a script may touch any of them in a cluster too.
Every key has an owner and an end:

| key | type | what | ends |
|---|---|---|---|
| `{ns}:schema` | string | the layout's version | never |
| `{ns}:t:<id>` | hash | a task's record | `retention` after it finished, `dead_retention` if it failed |
| `{ns}:q:<priority>:<queue>` | list | ids of queued tasks | when empty |
| `{ns}:p:<queue> <name>` | list | ids of tasks that were parked, their name unknown | when empty |
| `{ns}:u:<queue>` | set | the names of tasks parked in it | when empty |
| `{ns}:parked` | set | the queues in which tasks are parked | when empty |
| `{ns}:f:<id>` | list | who waits for a task, and when each was created | with that task |
| `{ns}:a:<id>` | list | ids of the tasks for which one waits | with its record |
| `{ns}:ended` | list | tasks that ended, and how many of those that wait for them know it | when all do |
| `{ns}:freed` | list | who has ended, and how many of those it waited for are let go | when all are |
| `{ns}:paused` | set | queues from which nothing is claimed | when empty |
| `{ns}:secret` | string | what the users of this store sign with | never |
| `{ns}:o:<id> <attempt>` | list | what one attempt of a task has logged | with its record |
| `{ns}:j:<worker>` | list | what a worker was told to do and has not heard | when empty, or it retires |
| `{ns}:activity` | list | who did what | when empty |
| `{ns}:schedules` | sorted set | names of schedules, by due time; paused ones last | when empty |
| `{ns}:c:<name>` | hash | a schedule | when it is removed |
| `{ns}:x:<name>` | string | which task has a unique name, since when | with that task's record, or its time |
| `{ns}:l:<lane>` | hash | a lane of limited tasks | when nobody uses it and it has all tokens |
| `{ns}:m:<lane> <queue> <priority>` | list | ids of queued tasks that wait in their lane | when empty |
| `{ns}:k:<queue>` | set | lanes and priorities at which tasks of this queue wait | when empty |
| `{ns}:wakes` | sorted set | lanes that wait for a token, by when they get it | when empty |
| `{ns}:tally:<step>:<moment>` | hash | what was counted in a bucket of time | see `tally.KEPT` |
| `{ns}:tallies:<step>` | sorted set | the moments of the buckets of that step | when empty |
| `{ns}:teller:<id>` | string | the number under which somebody counted last | a day after that |
| `{ns}:dead` | sorted set | when a task failed, and its id, in that order | when empty |
| `{ns}:ends` | list | ids of what has ended, in that order | when none was added for the longer retention |
| `{ns}:trimmed` | hash | what was taken from that list, and what of it has not succeeded | with that list |
| `{ns}:waiting` | sorted set | ids of tasks that wait for others, by when they were sent | when empty |
| `{ns}:due` | sorted set | ids of scheduled tasks, by due time | when empty |
| `{ns}:expiry` | sorted set | ids of waiting tasks that expire | when empty |
| `{ns}:counts` | hash | how many tasks per queue and state | when all are 0 |
| `{ns}:workers` | sorted set | worker ids, by the end of their lease | when empty |
| `{ns}:w:<worker>` | hash | what it is, its last trip | when it retires |
| `{ns}:r:<worker>` | hash | ids of what it runs: fence and queue | when it retires |
| `{ns}:s:<worker>` | sorted set | ids that it shall stop, by since when | when it retires |
| `{ns}:n:<worker>` | set | the task names that it knows | when it retires |
| `{ns}:b:<worker>` | list | what wakes it: `work` or `stop` | when it retires, 60 s after the last ring |
| `{ns}:h:<queue>` | set | ids of workers that idle | when they are rung or retire |
| `{ns}:news:<listener>` | channel | ids that changed | no key |

A worker's keys have no time to live on purpose: dead workers are found in `workers` by whoever tends,
and a list of running ids that ended by itself would leave its tasks running for ever.
"""

from __future__ import annotations

import re
from typing import Final

from celeriac.errors import ConfigurationError

SCHEMA_VERSION: Final = "1"

_NAMESPACE: Final = re.compile(r"[\w.:@+=~/-]{1,64}", re.ASCII)


def check_namespace(namespace: str) -> str:
    """Return *namespace* if keys can be made of it.

    Raises:
        ConfigurationError: it is empty, too long, or has other characters than letters, digits and
            `_.:@+=~/-`.
    """
    if _NAMESPACE.fullmatch(namespace):
        return namespace
    raise ConfigurationError(
        f"{namespace[:80]!r} cannot be a namespace: use 1 to 64 ASCII letters, digits or any of _.:@+=~/-"
    )


class Keys:
    """The keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.root: Final = f"{{{check_namespace(namespace)}}}:"
        self.schema: Final = self.root + "schema"
        self.counts: Final = self.root + "counts"
        self.due: Final = self.root + "due"
        self.expiry: Final = self.root + "expiry"
        self.workers: Final = self.root + "workers"
        self.ended: Final = self.root + "ended"
        self.freed: Final = self.root + "freed"
        self.parking: Final = self.root + "parked"
        self.paused: Final = self.root + "paused"
        self.secret: Final = self.root + "secret"
        self.schedules: Final = self.root + "schedules"
        self.wakes: Final = self.root + "wakes"
        self.dead: Final = self.root + "dead"
        self.ends: Final = self.root + "ends"
        self.trimmed: Final = self.root + "trimmed"
        self.waiting: Final = self.root + "waiting"
        self.activity: Final = self.root + "activity"
        self.shared: Final = (self.counts, self.due, self.expiry, self.workers, self.parking)

    def record(self, task_id: str) -> str:
        """The record of a task."""
        return f"{self.root}t:{task_id}"

    def children(self, task_id: str) -> str:
        """The ids of the tasks that wait for a task."""
        return f"{self.root}f:{task_id}"

    def parents(self, task_id: str) -> str:
        """The ids of the tasks for which a task waits."""
        return f"{self.root}a:{task_id}"

    def line(self, queue: str, priority: int) -> str:
        """The ids that wait in *queue* at *priority*."""
        return f"{self.root}q:{priority}:{queue}"

    def parked(self, queue: str, name: str) -> str:
        """The ids of tasks called *name* that are parked in *queue*; a space is in neither."""
        return f"{self.root}p:{queue} {name}"

    def unknown(self, queue: str) -> str:
        """The names of tasks that are parked in *queue*."""
        return f"{self.root}u:{queue}"

    def worker(self, worker: str) -> str:
        """What is known of a worker."""
        return f"{self.root}w:{worker}"

    def running(self, worker: str) -> str:
        """The ids that a worker runs."""
        return f"{self.root}r:{worker}"

    def stops(self, worker: str) -> str:
        """The ids that a worker shall stop."""
        return f"{self.root}s:{worker}"

    def names(self, worker: str) -> str:
        """The task names that a worker knows."""
        return f"{self.root}n:{worker}"

    def bell(self, worker: str) -> str:
        """What wakes a worker."""
        return f"{self.root}b:{worker}"

    def hungry(self, queue: str) -> str:
        """The workers that wait for work in *queue*."""
        return f"{self.root}h:{queue}"

    def log(self, task_id: str, attempt: int) -> str:
        """What one attempt of a task has logged; a space is in no id."""
        return f"{self.root}o:{task_id} {attempt}"

    def commands(self, worker: str) -> str:
        """What a worker was told to do."""
        return f"{self.root}j:{worker}"

    def unique(self, name: str) -> str:
        """Who has a unique name."""
        return f"{self.root}x:{name}"

    def lane(self, lane: str) -> str:
        """A lane of limited tasks."""
        return f"{self.root}l:{lane}"

    def held(self, lane: str, queue: str, priority: int) -> str:
        """The ids that wait in a lane; a space is in none of the three."""
        return f"{self.root}m:{lane} {queue} {priority}"

    def holding(self, queue: str) -> str:
        """The lanes in which tasks of *queue* wait."""
        return f"{self.root}k:{queue}"

    def schedule(self, name: str) -> str:
        """A schedule."""
        return f"{self.root}c:{name}"

    def tally(self, step: int, moment: int) -> str:
        """What was counted in a bucket of time."""
        return f"{self.root}tally:{step}:{moment}"

    def tallies(self, step: int) -> str:
        """The buckets of *step* seconds."""
        return f"{self.root}tallies:{step}"

    def teller(self, teller: str) -> str:
        """The last number of somebody who counts."""
        return f"{self.root}teller:{teller}"

    def channel(self, listener: str) -> str:
        """Where a listener hears news."""
        return f"{self.root}news:{listener}"

    def kind(self, key: str) -> str | None:
        """Say which type *key* must have, as the command TYPE names it; None for a foreign key."""
        if not key.startswith(self.root):
            return None
        name = key[len(self.root) :]
        return _KINDS.get(name) or _KINDS.get(name.partition(":")[0] + ":")


_KINDS: Final = {
    "schema": "string",
    "counts": "hash",
    "due": "zset",
    "expiry": "zset",
    "workers": "zset",
    "parked": "set",
    "paused": "set",
    "secret": "string",
    "schedules": "zset",
    "wakes": "zset",
    "dead": "zset",
    "ends": "list",
    "trimmed": "hash",
    "waiting": "zset",
    "tally:": "hash",
    "tallies:": "zset",
    "teller:": "string",
    "activity": "list",
    "o:": "list",
    "j:": "list",
    "x:": "string",
    "l:": "hash",
    "m:": "list",
    "k:": "set",
    "c:": "hash",
    "ended": "list",
    "freed": "list",
    "f:": "list",
    "a:": "list",
    "t:": "hash",
    "q:": "list",
    "p:": "list",
    "u:": "set",
    "w:": "hash",
    "r:": "hash",
    "s:": "zset",
    "n:": "set",
    "b:": "list",
    "h:": "set",
}
