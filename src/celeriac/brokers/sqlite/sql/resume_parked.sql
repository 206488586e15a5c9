-- resume: In: queue.  Out: the names of tasks that are parked in it, each as often as there are such tasks.
select parked from tasks where state = 2 and parked <> '' and queue = ? limit 1000
