-- exchange: see, without writing, whether a worker with nothing to settle has anything to do.
-- In: worker.
-- Out: its last trip, whether it is hungry, when the first scheduled task is due (null for none), how many
-- stops it has, whether a task is ready in its queues. No row: the worker is not known.
select
    workers.trip,
    workers.hungry,
    (select min(due) from tasks where state = 1),
    (select count(*) from stops where stops.worker = workers.id),
    exists (
        select 1 from json_each(workers.queues) as line
        cross join tasks on tasks.state = 2 and tasks.parked = '' and tasks.queue = line.value
    )
from workers where workers.id = ?
