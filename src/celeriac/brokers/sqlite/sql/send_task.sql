-- send: keep what is not plain about a new task: that it is scheduled, or that it expires. Many rows of values
-- at once, too.
-- In: seq, state (1 or 2), queue, position, expires, due.
insert into tasks (seq, state, queue, position, expires, due)
values (?, ?, ?, ?, ?, ?)
