-- send: where new tasks of one line go.
-- In: queue, priority.
-- Out: the highest seq of all (null for none), the highest position in that line (null when it is empty),
-- whether any worker wants to be rung for new work.
select
    (select max(seq) from messages),
    (select max(position) from ready where queue = ? and priority = ?),
    exists (select 1 from workers where hungry = 1)
