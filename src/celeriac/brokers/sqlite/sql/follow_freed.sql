-- follow: In: seqs (JSON array).
-- Out: seq, how many of its parents may be joins; of those that have ended and need their parents no more.
select waits.seq, waits.joins
from json_each(?) as given cross join waits on waits.seq = given.value
where freed = 0 and not (kind = 3 and exists (
    select 1 from links cross join waits as child on child.seq = links.child
    where links.parent = waits.seq and child.freed = 0
))
