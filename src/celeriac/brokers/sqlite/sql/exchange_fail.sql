-- exchange: make tasks FAILED or CANCELLED that this worker holds; with many rows of values at once.
-- In: state (5 or 6), now; seq, fence, error of each; worker.
-- Out: nothing. A row is left out when the lease has passed on: the caller then undoes the whole trip.
update tasks set state = ?, finished = ?, result = x'', error = column3
from (values (?, ?, ?))
where seq = column1 and fence = column2 and +worker = ? and state = 3
