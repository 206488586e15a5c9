-- follow: In: seqs (JSON array).  Out: joins that have ended, for which these waited.
select distinct links.parent
from json_each(?) as given
cross join links on links.child = given.value
cross join waits on waits.seq = links.parent
cross join tasks on tasks.seq = links.parent
where waits.kind = 3 and waits.freed = 0 and tasks.state >= 4
