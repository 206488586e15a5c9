-- follow: In: how many of its parents are open, seq.
update waits set open = ? where seq = ?
