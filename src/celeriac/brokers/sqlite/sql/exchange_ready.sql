-- exchange: the head of a queue, highest priority first.
-- In: now, queue, limit.
-- Out: seq, whether it has expired, then the columns of a Delivery as it will be once claimed.
select
    seq, expires is not null and expires <= ?,
    id, name, queue, priority, payload, options, fence + 1, retries, crashes, crash_limit, checkpoint
from tasks cross join messages using (seq)
where state = 2 and parked = '' and queue = ?
order by priority desc, position limit ?
