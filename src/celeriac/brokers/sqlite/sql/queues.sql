-- queues: Out: queue, state, parked, how many; for tasks that are not final. Parked is
-- 1 for the parked ones, 2 for those that wait in their lanes. State -1 stands for a paused queue.
select queue, 2, 0, count(*) from ready group by queue
union all
select queue, 2, 2, count(*) from held group by queue
union all
select queue, 2, 1, count(*) from tasks where state = 2 and parked <> '' group by queue
union all
select queue, 0, 0, count(*) from tasks where state = 0 group by queue
union all
select queue, 1, 0, count(*) from tasks where state = 1 group by queue
union all
select queue, 3, 0, count(*) from tasks where state = 3 group by queue
union all
select queue, -1, 0, 0 from paused
