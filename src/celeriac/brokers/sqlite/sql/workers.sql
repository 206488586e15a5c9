-- workers: In: now.  Out: the columns of a WorkerInfo (without names), by id, of the workers whose lease is good.
select
    id, name, host, pid, queues, lease, slots, version, started, seen,
    (select count(*) from tasks where tasks.state = 3 and tasks.worker = workers.id)
from workers where lease_ends > ? order by id
