-- retire: forget what a worker was told to do. In: worker.
delete from commands where worker = ?
