-- exchange: make tasks SUCCEEDED that this worker holds; with many rows of values at once.
-- In: now; seq, fence, result of each; worker.
-- Out: nothing. A row is left out when the lease has passed on: the caller then undoes the whole trip.
update tasks set state = 4, finished = ?, result = column3, error = x''
from (values (?, ?, ?))
where seq = column1 and fence = column2 and +worker = ? and state = 3
