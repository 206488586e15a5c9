-- send: keep the only message of a call; its seq is the next one.
-- In: id, name, crash_limit, created, payload, options.
-- Out: nothing. No row is added when its id is already known.
insert into messages (id, name, crash_limit, created, payload, options)
values (?, ?, ?, ?, ?, ?)
on conflict (id) do nothing
