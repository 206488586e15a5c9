-- In: queue, priority.  Out: the highest position in that line, null when it is empty.
select max(position) from tasks where state = 2 and parked = 0 and queue = ? and priority = ?
