-- find: the scheduled tasks, those that are due first first. In: a moment, a queue, a seq, how many.
-- Out: due time, queue, seq, seq again; of those that come behind.
select due, queue, seq, seq from tasks indexed by tasks_scheduled
where state = 1 and (due, queue, state, seq) > (?, ?, 1, ?) order by due, queue, state, seq limit ?
