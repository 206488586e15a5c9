-- Queue a scheduled task; its line is joined apart. In: position, seq.
update tasks set state = 2, due = null, position = ? where seq = ?
