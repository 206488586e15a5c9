-- In: queue, priority.  Out: the highest position in that line, null when it is empty.
select max(position) from ready where queue = ? and priority = ?
