-- In: queue, priority.  Out: the lowest position in that line, null when it is empty.
select min(position) from tasks where state = 2 and parked = '' and queue = ? and priority = ?
