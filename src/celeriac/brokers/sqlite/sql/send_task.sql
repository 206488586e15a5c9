-- send: put the task of a message into its line, or among the scheduled. Many rows of values at once, too.
-- In: seq, state (1 or 2), queue, priority, position, expires, due.
insert into tasks (seq, state, queue, priority, position, expires, due)
values (?, ?, ?, ?, ?, ?, ?)
