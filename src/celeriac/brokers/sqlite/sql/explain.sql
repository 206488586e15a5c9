-- explain: In: id.
-- Out: seq, queue, priority, name, lane, whether its queue is paused, whether it is parked, whether it waits in its lane.
select
    messages.seq, messages.queue, priority, name, messages.lane,
    exists (select 1 from paused where paused.queue = messages.queue),
    coalesce(tasks.parked <> '' and state = 2, 0),
    exists (select 1 from held where held.seq = messages.seq)
from messages left join tasks on tasks.seq = messages.seq where id = ?
