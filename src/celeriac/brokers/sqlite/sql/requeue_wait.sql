-- requeue: let a task wait for nobody; whose results it is given is still known. In: seq.
delete from waits where seq = ?
