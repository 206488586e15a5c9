-- exchange: take the head of a line out of it. In: queue, priority, position of the last one to go.
delete from ready where queue = ? and priority = ? and position <= ?
