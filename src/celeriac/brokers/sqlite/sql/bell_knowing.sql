-- Out: id, queues, names, address of the workers that want to be rung for new work; the longest known first.
select id, queues, names, address from workers join worker_names on worker_names.worker = workers.id
where hungry = 1 and address <> '' order by workers.seq
