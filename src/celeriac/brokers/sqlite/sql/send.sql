-- send: accept one task; run once for each message of a batch, all in one transaction.
-- In: id, name, queue, priority, state (1 or 2), position, crash_limit, created, eta, expires, due, payload, options.
-- Out: nothing. One row changes, or none when the id is already known.
insert into tasks (
    id, name, queue, priority, state, position, crash_limit, created, eta, expires, due, payload, options
) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (id) do nothing
