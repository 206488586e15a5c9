-- exchange: the parked tasks of one name in one queue, as they were parked. In: name, queue, limit.
-- Out: seq, queue, priority.
select seq, queue, priority from tasks
where state = 2 and parked <> '' and parked = ? and queue = ?
order by position limit ?
