-- find: the parked tasks, name by name. In: a name, a position, a queue, a seq, how many.
-- Out: name, position, queue, seq, seq again; of those that come before, the last one first.
select parked, position, queue, seq, seq from tasks indexed by tasks_parked
where state = 2 and parked <> '' and (parked, position, queue, state, seq) < (?, ?, ?, 2, ?)
order by parked desc, position desc, queue desc, state desc, seq desc limit ?
