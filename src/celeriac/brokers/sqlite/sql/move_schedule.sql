-- Put a task that was running off until later. In: due, retries, error, seq.
update tasks set state = 1, due = ?, retries = ?, error = ? where seq = ?
