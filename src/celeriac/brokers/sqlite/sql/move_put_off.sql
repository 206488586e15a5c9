-- Note how a run ended that is put off until later. In: retries, error, seq.
update tasks set retries = ?, error = ? where seq = ?
