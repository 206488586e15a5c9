-- What a worker holds, by id, with all that decides what becomes of it.
-- In: worker.
-- Out: seq, id, fence, queue, priority, retries, crashes, crash_limit, cancelled, error,
-- lane, worker, when it started, earlier attempts.
select
    seq, id, fence, messages.queue, priority, retries, crashes, crash_limit, cancelled, error, lane,
    worker, coalesce(started, 0.0), attempts
from tasks cross join messages using (seq)
where state = 3 and worker = ? order by id
