-- Make a task final, whatever it was. In: state (4 to 6), now, result, error, seq.
update tasks set state = ?, finished = ?, result = ?, error = ?, due = null, parked = '' where seq = ?
