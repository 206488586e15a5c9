-- enlist: make a worker known; one that is known already keeps its trip and its bell.
-- In: id, lease_ends, seen, started, lease, slots, pid, name, host, boot, version, queues.
insert into workers (
    id, lease_ends, seen, started, lease, slots, pid, name, host, boot, version, queues
) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (id) do update set
    lease_ends = excluded.lease_ends, seen = excluded.seen, started = excluded.started,
    lease = excluded.lease, slots = excluded.slots, pid = excluded.pid, name = excluded.name,
    host = excluded.host, boot = excluded.boot, version = excluded.version, queues = excluded.queues
