-- heartbeat: renew a lease. In: now, now, worker. No row changes when the worker is not known.
update workers set seen = ?, lease_ends = ? + lease where id = ?
