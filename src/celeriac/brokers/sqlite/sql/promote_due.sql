-- In: now, limit.  Out: seq, queue, priority of the scheduled tasks that are due, earliest first.
select seq, queue, priority from tasks where state = 1 and due <= ? order by due, id limit ?
