-- requeue: queue a task that has failed; its line is joined apart. In: position, attempts, seq.
update tasks set
    state = 2, position = ?, attempts = ?, retries = 0, crashes = 0, cancelled = 0, kept = 0, expires = null, finished = null
where seq = ?
