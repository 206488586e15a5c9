-- schedules: Out: name, entry, due, memory, paused, token of each, by name.
select name, entry, due, memory, paused, token from schedules order by name
