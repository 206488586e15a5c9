-- find: those that wait for others, queue by queue. In: a queue, a seq, how many.
-- Out: queue, seq, seq again; of those that come behind, the newest of a queue first.
select queue, seq, seq from tasks indexed by tasks_waiting
where state = 0 and (queue, seq) < (?, ?) order by queue desc, seq desc limit ?
