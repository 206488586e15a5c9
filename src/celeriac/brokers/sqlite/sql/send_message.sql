-- send: keep what was sent. Run once for each message, or with many rows of values at once.
-- In: seq, id, name, queue, priority, place, crash_limit, created, eta, payload, options, lane.
-- Out: nothing. A row is left out when its id is already known: the caller then undoes the whole batch.
insert into messages (seq, id, name, queue, priority, place, crash_limit, created, eta, payload, options, lane)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (id) do nothing
