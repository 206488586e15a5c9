-- follow: note that a task needs the results of its parents no more. In: seq.
update waits set freed = 1 where seq = ?
