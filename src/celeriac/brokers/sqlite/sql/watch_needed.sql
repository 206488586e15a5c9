-- watch: In: ids (JSON array).  Out: seq of those that can still change and that nobody watches yet.
select messages.seq
from messages left join tasks on tasks.seq = messages.seq
where id in (select value from json_each(?)) and (state is null or (watched = 0 and state <= 3))
