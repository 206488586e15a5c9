-- get: In: ids (JSON array).  Out: the columns of a Message, then those of a Record.
select
    id, name, queue, priority, created, payload, eta, expires, crash_limit, options,
    state, custom, due, started, finished, worker, fence, retries, crashes, cancelled,
    meta, result, error, checkpoint
from messages cross join tasks using (seq)
where id in (select value from json_each(?))
