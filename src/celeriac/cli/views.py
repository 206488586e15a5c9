"""The JSON shapes of answers, as docs/reference/cli.md describes them; their names are public."""

from __future__ import annotations

import logging
from typing import Any, Final

from celeriac import codec
from celeriac.broker import QueueInfo, WorkerInfo
from celeriac.bulk import Bulk
from celeriac.cli.output import moment
from celeriac.message import Record, decode_options, decode_payload
from celeriac.outcome import decode_error
from celeriac.search import TaskView
from celeriac.states import State
from celeriac.steering import Activity, LogLine
from celeriac.updates import Update


def of_update(update: Update) -> dict[str, Any]:
    """Describe a task's state at one moment."""
    return {
        "id": update.id,
        "state": update.state,
        "ready": update.ready,
        "current": update.current if update.meta is not None else None,
        "total": update.total if update.meta is not None else None,
        "status": update.status or None,
        "meta": update.meta,
        "result": update.result,
        "error": update.error,
        "error_type": update.error_type,
    }


def of_record(record: Record) -> dict[str, Any]:
    """Describe all that is kept of a task."""
    message = record.message
    args, kwargs = decode_payload(message.payload, what="the arguments")
    options = decode_options(message.options)
    error = decode_error(record.error) if record.error else None
    return {
        "id": record.id,
        "name": message.name,
        "state": record.outside,
        "ready": record.state.final,
        "queue": message.queue,
        "priority": message.priority,
        "args": args,
        "kwargs": kwargs,
        "created": moment(message.created),
        "due": moment(record.due) if record.state is State.SCHEDULED else None,
        "started": moment(record.started),
        "finished": moment(record.finished),
        "expires": moment(message.expires),
        "worker": record.worker or None,
        "retries": record.retries,
        "crashes": record.crashes,
        "root_id": options.root_id or record.id,
        "parent_id": options.parent_id,
        "meta": codec.decode(record.meta, what="the meta"),
        "result": codec.decode(record.result, what="the result"),
        "error": error.message if error else None,
        "error_type": error.type if error else None,
        "traceback": error.traceback or None if error else None,
    }


def of_unknown(task_id: str) -> dict[str, Any]:
    """Describe a task of which the store knows nothing."""
    return of_update(Update(task_id, "UNKNOWN", ready=True))


def of_worker(worker: WorkerInfo, now: float) -> dict[str, Any]:
    """Describe a worker process."""
    return {
        "kind": "worker",
        "id": worker.id,
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "queues": list(worker.queues),
        "slots": worker.slots,
        "running": worker.running,
        "started": moment(worker.started),
        "seen": moment(worker.seen),
        "seen_seconds_ago": round(max(0.0, now - worker.seen), 3),
        "version": worker.version,
        "state": state_of_worker(worker, now),
        "draining": worker.draining,
        "done": worker.done,
        "memory": worker.memory,
        "cpu": worker.cpu,
        "lag": worker.lag,
    }


def state_of_worker(worker: WorkerInfo, now: float) -> str:
    """Say in a word how a worker is; `silent` is one that has missed half of its lease."""
    if now - worker.seen > worker.lease / 2:
        return "silent"
    return "draining" if worker.draining else "running"


def of_running(record: Record, now: float) -> dict[str, Any]:
    """Describe a task that runs."""
    return {
        "id": record.id,
        "name": record.message.name,
        "queue": record.message.queue,
        "state": record.outside,
        "started": moment(record.started),
        "seconds": round(max(0.0, now - (record.started or now)), 3),
        "retries": record.retries,
        "crashes": record.crashes,
    }


def of_line(task_id: str, line: LogLine) -> dict[str, Any]:
    """Describe one line of a task's log."""
    return {
        "id": task_id,
        "number": line.number,
        "attempt": line.attempt,
        "time": moment(line.time),
        "level": logging.getLevelName(line.level),
        "logger": line.logger,
        "text": line.text,
    }


def of_activity(entry: Activity) -> dict[str, Any]:
    """Describe what somebody has done."""
    return {
        "number": entry.number,
        "at": moment(entry.at),
        "who": entry.who,
        "verb": entry.verb,
        "target": entry.target,
        "count": entry.count,
    }


def of_queue(queue: QueueInfo, now: float) -> dict[str, Any]:
    """Describe a queue."""
    return {
        "kind": "queue",
        "name": queue.name,
        "queued": queue.queued,
        "scheduled": queue.scheduled,
        "running": queue.running,
        "parked": queue.parked,
        "held": queue.held,
        "waiting": queue.waiting,
        "paused": queue.paused,
        "oldest": moment(queue.oldest),
        "oldest_seconds_ago": None if queue.oldest is None else round(max(0.0, now - queue.oldest), 3),
    }


VIEW_KEYS: Final = TaskView.__struct_fields__
_TIMES: Final = ("created", "eta", "expires", "due", "started", "finished", "scheduled_for")


def of_view(task: TaskView) -> dict[str, Any]:
    """Describe a task that was found."""
    values = {name: getattr(task, name) for name in TaskView.__struct_fields__}
    values |= {name: moment(values[name]) for name in _TIMES}
    values |= {"worker": task.worker or None, "children": [*task.children]}
    return {"kind": "task", **values}


def of_event(what: str, at: float, task: TaskView) -> dict[str, Any]:
    """Describe what has happened to a task."""
    has_run = task.has_ended and task.started is not None
    return {
        "kind": "event",
        "event": what,
        "at": moment(at),
        "id": task.id,
        "name": task.name,
        "queue": task.queue,
        "state": task.state,
        "worker": task.worker or None,
        "attempt": task.attempts,
        "started": moment(task.started),
        "seconds": round(max(0.0, at - (task.started or at)), 3) if has_run else None,
        "error_type": task.error_type,
        "error": task.error,
    }


def of_gap(since: float, until: float) -> dict[str, Any]:
    """Describe a time in which more has happened than could be looked at."""
    return {"kind": "gap", "since": moment(since), "until": moment(until)}


def of_bulk(result: Bulk) -> dict[str, Any]:
    """Describe what was done with all tasks that fit a filter."""
    values = {name: getattr(result, name) for name in result.__struct_fields__ if name != "left_ids"}
    return {"kind": "bulk", **values, "until": moment(result.until)}
