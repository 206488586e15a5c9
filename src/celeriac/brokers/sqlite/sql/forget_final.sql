-- forget: In: ids (JSON array).  Out: seq of those that are final, and that no unfinished task waited for.
select seq
from messages cross join tasks using (seq)
where id in (select value from json_each(?)) and state >= 4 and not exists (
    select 1 from links cross join waits on waits.seq = links.child
    where links.parent = tasks.seq and waits.freed = 0
)
