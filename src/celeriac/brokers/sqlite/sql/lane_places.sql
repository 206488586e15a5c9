-- In: lane.  Out: queue and priority of each place where tasks of it wait.
select distinct queue, priority from held where lane = ?
