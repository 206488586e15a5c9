-- cancel: In: ids (JSON array).  Out: id, seq, state, worker.
select id, seq, state, worker
from messages cross join tasks using (seq)
where id in (select value from json_each(?))
