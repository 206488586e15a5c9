-- requeue: In: ids (JSON array).
-- Out: id, seq, queue, priority, lane, unique name, then how it ran last: fence, when it started and ended, worker,
-- error; earlier attempts. Of those that have failed themselves: that have run, were not replaced, and are known to
-- have failed to all who waited for them.
select
    id, messages.seq, messages.queue, priority, lane, named.name,
    fence, coalesce(started, finished), finished, worker, error, attempts
from messages cross join tasks using (seq) left join named using (seq)
where id in (select value from json_each(?)) and state = 5 and fence > 0
and not exists (select 1 from waits where waits.seq = messages.seq and kind = 4)
and not exists (select 1 from ended where ended.parent = messages.seq)
