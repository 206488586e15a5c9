-- enlist: In: names (JSON array).
-- Out: seq, queue, priority of the parked tasks with these names; by name, oldest first.
select seq, queue, priority from tasks
where state = 2 and parked = 1 and name in (select value from json_each(?))
order by name, position
