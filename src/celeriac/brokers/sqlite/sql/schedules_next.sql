-- next_schedules, tend: In: how many. Out: as schedules, the first ones by due time.
select name, entry, due, memory, paused, token from schedules
where paused = 0 and due is not null order by due, name limit ?
