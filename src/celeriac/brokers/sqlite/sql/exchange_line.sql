-- exchange: the head of one line, for those that go by age.
-- In: now, queue, priority, limit.
-- Out: when it was sent, seq, whether it has expired, then the columns of a Delivery as it will be once claimed, lane, position.
select
    created, ready.seq, expires is not null and expires <= ?,
    id, name, ready.queue, ready.priority, payload, options,
    coalesce(fence, 0) + 1, coalesce(retries, 0), coalesce(crashes, 0), crash_limit, coalesce(checkpoint, x''),
    lane, ready.position
from ready
cross join messages on messages.seq = ready.seq
left join tasks on tasks.seq = ready.seq
where ready.queue = ? and ready.priority = ? and (state is null or state = 2)
order by ready.position limit ?
