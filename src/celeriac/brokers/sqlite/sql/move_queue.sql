-- Put a task that was running back into its line. In: position, retries, crashes, error, seq.
update tasks set state = 2, position = ?, retries = ?, crashes = ?, error = ? where seq = ?
