-- heartbeat: In: worker.  Out: verb, task, number of what it is told to do, by number.
select verb, task, number from commands where worker = ? order by number
