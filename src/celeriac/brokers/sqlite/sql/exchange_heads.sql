-- exchange: the first tasks of the lines of a queue, for those that go by age. In: queue, three times.
-- Out: priority, when it was sent (null where nothing stands in the line that could be claimed).
select
    lines.priority,
    (
        select created from ready
        cross join messages on messages.seq = ready.seq
        left join tasks on tasks.seq = ready.seq
        where ready.queue = ? and ready.priority = lines.priority and (state is null or state = 2)
        order by ready.position limit 1
    )
from (
    with recursive filled (priority) as (
        select max(priority) from ready where queue = ?
        union all
        select (select max(priority) from ready where queue = ? and priority < filled.priority)
        from filled where filled.priority is not null
    )
    select priority from filled where priority is not null
) as lines
