-- Let a task go that waits in its lane. In: seq.
delete from held where seq = ?
