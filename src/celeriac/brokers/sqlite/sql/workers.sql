-- workers: In: now.  Out: the columns of a WorkerInfo (without names) up to running, and its pulse or '', by id, of the
-- workers whose lease is good.
select
    id, name, host, pid, queues, lease, slots, version, started, seen,
    (select count(*) from tasks where tasks.state = 3 and tasks.worker = workers.id),
    coalesce((select pulse from pulses where pulses.worker = workers.id), '')
from workers where lease_ends > ? order by id
