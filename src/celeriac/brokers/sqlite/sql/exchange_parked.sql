-- exchange: which of the names that a worker knows have parked tasks, in whatever queue.
-- In: worker.  Out: the names, in no order.
select known.value from worker_names cross join json_each(worker_names.names) as known
where worker_names.worker = ?
and exists (select 1 from tasks where state = 2 and parked <> '' and parked = known.value)
