-- exchange: what the worker still holds of a trip's claims, for the trip that is repeated.
-- In: worker, trip.
-- Out: seq, then the columns of a Delivery, lane, in the order in which they were claimed.
select
    seq, id, name, messages.queue, priority, payload, options, fence, retries, crashes, crash_limit, checkpoint, lane
from tasks cross join messages using (seq)
where state = 3 and worker = ? and trip = ?
order by position
