-- exchange: make a task final that this worker holds. Run once for each settlement, in the trip's transaction.
-- In: state (4 to 6), now, result, error, id, fence, worker.
-- Out: nothing. No row changes when the lease has passed on: the settlement is to be refused.
update tasks set state = ?, finished = ?, result = ?, error = ?
where id = ? and fence = ? and worker = ? and state = 3
