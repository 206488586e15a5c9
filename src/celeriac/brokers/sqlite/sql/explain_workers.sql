-- explain: In: name of a task, now, queue.
-- Out: of each live worker that serves that queue: whether it knows that name, its slots, how many tasks it runs.
select
    exists (
        select 1 from worker_names, json_each(worker_names.names) as known
        where worker_names.worker = workers.id and known.value = ?
    ),
    slots, (select count(*) from tasks where state = 3 and worker = workers.id)
from workers
where lease_ends > ? and exists (select 1 from json_each(workers.queues) where value = ?)
