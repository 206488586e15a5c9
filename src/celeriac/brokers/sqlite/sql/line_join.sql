-- Put a task into a line; many rows of values at once, too. In: queue, priority, position, seq.
insert into ready (queue, priority, position, seq)
values (?, ?, ?, ?)
