-- replace: let a running task wait; it has started, so it cannot expire any more. In: seq.
update tasks set state = 0, expires = null where seq = ?
