-- count: In: who counts, number, now.
insert into tellers (id, number, seen) values (?, ?, ?)
on conflict (id) do update set number = excluded.number, seen = excluded.seen
