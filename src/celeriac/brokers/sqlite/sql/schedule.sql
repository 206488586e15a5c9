-- advance, schedules: In: name. Out: as schedules.
select name, entry, due, memory, paused, token from schedules where name = ?
