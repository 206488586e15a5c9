-- exchange: give a ready task to a worker. Run once for each, in the trip's transaction.
-- In: now, worker, trip, seq.
update tasks set state = 3, started = ?, worker = ?, trip = ?, fence = fence + 1 where seq = ?
