-- get: In: ids (JSON array).  Out: the columns of a Message, then those of a Record, then of an After, lane.
-- A message that stands neither in its line nor among the tasks is as if it were not.
select
    id, name, messages.queue, priority, created, payload, eta, expires, crash_limit, options,
    coalesce(state, 2), coalesce(custom, ''), due, started, finished, coalesce(worker, ''), coalesce(fence, 0),
    coalesce(retries, 0), coalesce(crashes, 0), coalesce(cancelled, 0),
    coalesce(meta, x''), coalesce(result, x''), coalesce(error, x''), coalesce(checkpoint, x''),
    coalesce(children, '[]'), coalesce(attempts, x''),
    coalesce(kind, 0), countdown, lane
from messages
left join tasks on tasks.seq = messages.seq
left join waits on waits.seq = messages.seq
where id in (select value from json_each(?)) and (
    state is not null or exists (
        select 1 from ready
        where ready.queue = messages.queue and ready.priority = messages.priority and ready.position = place
        and ready.seq = messages.seq
    )
)
