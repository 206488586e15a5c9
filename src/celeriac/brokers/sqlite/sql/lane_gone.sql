-- Note that nobody of a lane stands in a line any more. In: lane, queue, priority.
delete from firsts where lane = ? and queue = ? and priority = ?
