-- Those that wait at one place of a lane, in their order, behind a position.
-- In: now, lane, queue, priority, position, limit.
-- Out: the columns of exchange_ready; position is that in the lane.
select
    held.seq, expires is not null and expires <= ?,
    id, name, held.queue, held.priority, payload, options,
    coalesce(fence, 0) + 1, coalesce(retries, 0), coalesce(crashes, 0), crash_limit, coalesce(checkpoint, x''),
    messages.lane, held.position
from held
cross join messages on messages.seq = held.seq
left join tasks on tasks.seq = held.seq
where held.lane = ? and held.queue = ? and held.priority = ? and held.position > ?
order by held.position limit ?
