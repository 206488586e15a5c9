-- Let a task wait in its lane. In: seq, lane, queue, priority, position.
insert into held (seq, lane, queue, priority, position) values (?, ?, ?, ?, ?)
