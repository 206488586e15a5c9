-- follow: In: seqs (JSON array).
-- Out: seq, how many of its parents may be joins, whether it has failed and may be requeued; of those that have ended and need their parents no more.
select waits.seq, waits.joins, exists (
    select 1 from tasks where tasks.seq = waits.seq and state = 5 and fence > 0 and waits.kind <> 4
)
from json_each(?) as given cross join waits on waits.seq = given.value
where freed = 0 and not (kind = 3 and exists (
    select 1 from links cross join waits as child on child.seq = links.child
    where links.parent = waits.seq and child.freed = 0
))
