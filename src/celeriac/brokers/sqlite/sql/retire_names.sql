-- retire: forget what a worker knew. In: worker.
delete from worker_names where worker = ?
