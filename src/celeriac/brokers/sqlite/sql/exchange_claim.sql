-- exchange: give tasks of one queue to a worker; `position` becomes the place among the claims of the trip.
-- In: queue, now, worker, trip, how many the trip claimed before, seqs (JSON array).
insert into tasks (seq, state, queue, started, worker, trip, position, fence)
select value, 3, ?, ?, ?, ?, ? + key, 1 from json_each(?) where true
on conflict (seq) do update set
    state = 3, started = excluded.started, worker = excluded.worker, trip = excluded.trip,
    position = excluded.position, fence = fence + 1
