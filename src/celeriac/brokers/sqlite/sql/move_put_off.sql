-- Note how a run ended that is put off until later. In: retries, error, attempts, seq.
update tasks set retries = ?, error = ?, attempts = ? where seq = ?
