-- retire: forget what a worker has told of itself. In: worker.
delete from pulses where worker = ?
