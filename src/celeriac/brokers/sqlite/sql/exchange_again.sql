-- exchange: what the worker still holds of a trip's claims, for the trip that is repeated.
-- In: worker, trip.
-- Out: the columns of a Delivery, by priority and position; the caller puts the queues into the worker's order.
select
    id, name, queue, priority, payload, options, fence, retries, crashes, crash_limit, checkpoint
from tasks where state = 3 and worker = ? and trip = ?
order by priority desc, position
