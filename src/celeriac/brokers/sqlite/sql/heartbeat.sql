-- heartbeat: renew a lease; an older one shortens none. In: now, now, worker.
-- No row changes when the worker is not known.
update workers set seen = max(seen, ?), lease_ends = max(lease_ends, ? + lease) where id = ?
