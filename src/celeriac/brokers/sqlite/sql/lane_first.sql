-- Note that the first one of a lane stands in a line. In: lane, queue, priority.
insert into firsts (lane, queue, priority) values (?, ?, ?)
