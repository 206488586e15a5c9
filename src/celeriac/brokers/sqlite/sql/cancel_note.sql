-- cancel: remember that a running task was revoked. In: seq.
update tasks set cancelled = 1 where seq = ?
