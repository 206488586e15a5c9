-- send: put the task of the only message of a call at the tail of its line.
-- In: seq, queue, priority, queue, priority, expires.
-- Out: whether any worker wants to be rung for new work.
insert into tasks (seq, state, queue, priority, position, expires)
values (
    ?, 2, ?, ?,
    (
        select coalesce(max(position), 0) + 1 from tasks
        where state = 2 and parked = '' and queue = ? and priority = ?
    ),
    ?
)
returning exists (select 1 from workers where hungry = 1)
