-- Let a task wait for a moment. In: due, seq.
update tasks set state = 1, due = ? where seq = ?
