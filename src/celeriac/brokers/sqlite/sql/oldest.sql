-- queues: Out: queue, when the oldest was sent of those that are the first in its lines; where there are any.
select queue, min((
    select created from ready
    cross join messages on messages.seq = ready.seq
    left join tasks on tasks.seq = ready.seq
    where ready.queue = filled.queue and ready.priority = priorities.value and (state is null or state = 2)
    order by ready.position limit 1
))
from (
    with recursive filled (queue) as (
        select min(queue) from ready
        union all
        select (select min(queue) from ready where queue > filled.queue) from filled where filled.queue is not null
    )
    select queue from filled where queue is not null
) as filled
cross join json_each('[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]') as priorities
group by queue
