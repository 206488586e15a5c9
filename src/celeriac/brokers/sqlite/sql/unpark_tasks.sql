-- enlist: In: names (JSON array).
-- Out: seq, queue, priority of the parked tasks with these names; by name, then as they were parked.
select seq, tasks.queue, priority from tasks cross join messages using (seq)
where state = 2 and parked <> '' and parked in (select value from json_each(?))
order by parked, position
