-- exchange: note which trip was answered and whether the worker wants to be rung.
-- In: trip, hungry, worker.
update workers set trip = ?, hungry = ? where id = ?
