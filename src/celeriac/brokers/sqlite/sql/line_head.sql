-- In: queue, priority.  Out: the lowest position in that line, null when it is empty.
select min(position) from ready where queue = ? and priority = ?
