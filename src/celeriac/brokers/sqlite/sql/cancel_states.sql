-- cancel: In: ids (JSON array).  Out: id, seq, state, worker.
select id, seq, state, worker from tasks where id in (select value from json_each(?))
