-- exchange: give ready tasks to a worker; `position` becomes the place among the claims of the trip.
-- In: now, worker, trip, how many the trip claimed before, seqs (JSON array).
update tasks set state = 3, started = ?, worker = ?, trip = ?, fence = fence + 1, position = ? + claimed.key
from json_each(?) as claimed
where tasks.seq = claimed.value
