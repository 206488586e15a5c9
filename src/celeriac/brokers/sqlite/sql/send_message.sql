-- send: keep what was sent. Run once for each message, or with many rows of values at once.
-- In: seq, id, name, queue, priority, place, crash_limit, created, eta ('' for none), payload, options, lane ('' for
-- none).
-- Out: nothing. A row is left out when its id is already known: the caller then undoes the whole batch.
insert into messages (seq, id, name, queue, priority, place, crash_limit, created, eta, payload, options, lane)
values (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''), ?, ?, nullif(?, ''))
on conflict (id) do nothing
