-- exchange: the parked tasks of one name in one queue, as they were parked. In: name, queue, limit.
-- Out: seq, queue, priority.
select seq, tasks.queue, priority from tasks cross join messages using (seq)
where state = 2 and parked <> '' and parked = ? and tasks.queue = ?
order by position limit ?
