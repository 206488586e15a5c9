-- cancel: In: ids (JSON array).  Out: id, seq, state, worker.
select id, messages.seq, coalesce(state, 2), coalesce(worker, '')
from messages left join tasks on tasks.seq = messages.seq
where id in (select value from json_each(?))
