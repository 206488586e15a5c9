-- Queue a task that was running; its line is joined apart. In: position, retries, crashes, error, attempts,
-- seq.
update tasks set state = 2, position = ?, retries = ?, crashes = ?, error = ?, attempts = ? where seq = ?
