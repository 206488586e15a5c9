-- In: worker.  Out: queues, names (JSON arrays). No row: not known.
select queues, names from workers join worker_names on worker_names.worker = workers.id where workers.id = ?
