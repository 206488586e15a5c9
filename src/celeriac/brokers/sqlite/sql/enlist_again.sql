-- enlist: a worker that is known anew begins its trips anew; what it holds belongs to none. In: worker.
update tasks set trip = 0 where state = 3 and worker = ?
