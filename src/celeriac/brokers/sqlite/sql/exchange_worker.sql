-- exchange: In: worker.
-- Out: its last trip, how many stops it has, when the first scheduled task is due (null for none), when the
-- first lane gets a token (null for none), whether anybody listens for news, whether any task is parked, whether any waits for others,
-- whether any queue is paused. No row: the worker is not known.
select
    trip,
    (select count(*) from stops where stops.worker = workers.id),
    (select min(due) from tasks where state = 1),
    (select min(wakes) from lanes where wakes is not null),
    exists (select 1 from listeners),
    exists (select 1 from tasks where state = 2 and parked <> ''),
    exists (select 1 from waits) or exists (select 1 from ended),
    exists (select 1 from paused)
from workers where id = ?
