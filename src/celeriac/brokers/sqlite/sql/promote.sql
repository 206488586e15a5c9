-- Queue a scheduled task. In: position, seq.
update tasks set state = 2, due = null, position = ? where seq = ?
