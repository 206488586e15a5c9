-- advance: In: name, entry, due, memory, paused, token.
insert into schedules (name, entry, due, memory, paused, token) values (?, ?, ?, ?, ?, ?)
on conflict (name) do update set
    entry = excluded.entry, due = excluded.due, memory = excluded.memory, paused = excluded.paused,
    token = excluded.token
