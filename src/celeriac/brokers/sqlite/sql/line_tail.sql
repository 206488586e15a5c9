-- In: queue, priority.  Out: the highest position in that line, null when it is empty.
select max(position) from tasks where state = 2 and parked = '' and queue = ? and priority = ?
