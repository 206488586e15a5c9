-- send: keep that a task waits; with many rows of values at once, too.
-- In: seq, kind (1 for success, 2 for failure, 3 a join), how many parents it has, how many of them may be
-- joins, countdown.
insert into waits (seq, kind, open, joins, countdown)
values (?, ?, ?, ?, ?)
