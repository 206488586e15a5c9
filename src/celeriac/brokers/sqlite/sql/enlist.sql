-- enlist: make a worker known, or known anew.
-- In: id, lease_ends, seen, started, lease, slots, pid, name, host, boot, version, queues.
insert into workers (
    id, lease_ends, seen, started, lease, slots, pid, name, host, boot, version, queues
) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (id) do update set
    lease_ends = excluded.lease_ends, seen = excluded.seen, started = excluded.started, lease = excluded.lease,
    slots = excluded.slots, pid = excluded.pid, name = excluded.name, host = excluded.host,
    boot = excluded.boot, version = excluded.version, queues = excluded.queues, trip = 0, hungry = 0, address = ''
