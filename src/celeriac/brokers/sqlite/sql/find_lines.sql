-- find: the lines in which tasks stand. Out: queue, priority.
select queue, priorities.value
from (
    with recursive filled (queue) as (
        select min(queue) from ready
        union all
        select (select min(queue) from ready where queue > filled.queue) from filled where filled.queue is not null
    )
    select queue from filled where queue is not null
) as filled
cross join json_each('[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]') as priorities
where exists (select 1 from ready where ready.queue = filled.queue and ready.priority = priorities.value)
order by queue, priorities.value desc
