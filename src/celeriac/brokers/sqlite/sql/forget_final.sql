-- forget: In: ids (JSON array).  Out: seq of those that are final.
select seq
from messages cross join tasks using (seq)
where id in (select value from json_each(?)) and state >= 4
