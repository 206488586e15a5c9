-- exchange: make tasks SUCCEEDED that this worker holds; with many rows of values at once.
-- In: seq, fence, result of each; then now, worker.
-- Out: nothing. A row is left out when the lease has passed on: the caller then undoes the whole trip.
with settled (seq, fence, body) as (values (?, ?, ?))
update tasks set state = 4, finished = ?, result = settled.body, error = x''
from settled where tasks.seq = settled.seq and tasks.fence = settled.fence and +tasks.worker = ? and tasks.state = 3
