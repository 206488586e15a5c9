-- resume: In: queue. A row is deleted if it was paused.
delete from paused where queue = ?
