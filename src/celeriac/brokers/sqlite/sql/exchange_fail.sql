-- exchange: make tasks FAILED or CANCELLED that this worker holds; with many rows of values at once.
-- In: seq, fence, error of each; then state (5 or 6), now, worker.
-- Out: nothing. A row is left out when the lease has passed on: the caller then undoes the whole trip.
with settled (seq, fence, body) as (values (?, ?, ?))
update tasks set state = ?, finished = ?, result = x'', error = settled.body
from settled where tasks.seq = settled.seq and tasks.fence = settled.fence and +tasks.worker = ? and tasks.state = 3
