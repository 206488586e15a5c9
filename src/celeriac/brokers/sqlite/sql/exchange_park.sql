-- exchange: set a task aside whose name the worker does not know.
-- In: queue, name, position among the parked of that name, seq.
insert into tasks (queue, parked, position, seq, state) values (?, ?, ?, ?, 2)
on conflict (seq) do update set parked = excluded.parked, position = excluded.position
