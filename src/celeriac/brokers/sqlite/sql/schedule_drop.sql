-- advance: In: name.
delete from schedules where name = ?
