-- watch: In: ids (JSON array).  Out: seq of those that can still change and that nobody watches yet.
select seq
from messages cross join tasks using (seq)
where id in (select value from json_each(?)) and watched = 0 and state <= 3
