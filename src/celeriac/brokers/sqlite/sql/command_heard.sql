-- heartbeat: let go of what a worker has heard. In: worker, number of the last that it has.
delete from commands where worker = ? and number <= ?
