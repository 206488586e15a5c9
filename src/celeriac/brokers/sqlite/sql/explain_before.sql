-- explain: In: queue, priority, seq, most.
-- Out: how many tasks stand in a queue before one, so many at most; 0 when it does not stand there.
select count(*) from (
    with its (queue, priority, position) as materialized (
        select queue, priority, position from ready where queue = ? and priority = ? and seq = ?
    )
    select 1 from its cross join ready
    where ready.queue = its.queue
    and (ready.priority > its.priority or ready.priority = its.priority and ready.position < its.position)
    limit ?
)
