-- send_unique: In: name, id, since, seconds, until.
insert into uniques (name, id, since, seconds, until) values (?, ?, ?, ?, ?)
on conflict (name) do update set
    id = excluded.id, since = excluded.since, seconds = excluded.seconds, until = excluded.until
