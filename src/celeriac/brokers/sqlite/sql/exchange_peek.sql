-- exchange: see, without writing, whether a worker with nothing to settle has anything to do.
-- In: worker.
-- Out: its last trip, whether it is hungry, when the first scheduled task is due or the first lane gets a token (null for none), how many
-- stops it has, whether a task is ready in its queues or dependants are to be told, whether one is parked there
-- that it knows.
-- No row: the worker is not known.
select
    workers.trip,
    workers.hungry,
    (select min(due) from (
        select min(due) as due from tasks where state = 1
        union all
        select min(wakes) from lanes where wakes is not null
    )),
    (select count(*) from stops where stops.worker = workers.id),
    exists (select 1 from ended) or exists (select 1 from json_each(workers.queues) as line cross join ready on ready.queue = line.value
        where line.value not in (select queue from paused)),
    case when exists (select 1 from tasks where state = 2 and parked <> '') then exists (
        select 1 from worker_names cross join json_each(worker_names.names) as known
        cross join tasks on tasks.state = 2 and tasks.parked <> '' and tasks.parked = known.value
        where worker_names.worker = workers.id
        and tasks.queue in (select line.value from json_each(workers.queues) as line)
        and tasks.queue not in (select queue from paused)
    ) else 0 end
from workers where workers.id = ?
