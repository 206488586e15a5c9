-- In: lane, queue, priority, three times.
-- Out: whether its first one stands there in a line, the lowest and the highest position of those that wait.
select
    exists (select 1 from firsts where lane = ? and queue = ? and priority = ?),
    (select min(position) from held where lane = ? and queue = ? and priority = ?),
    (select max(position) from held where lane = ? and queue = ? and priority = ?)
