-- send: In: seqs of new tasks (JSON array).
-- Out: as in follow_links.sql, for parents that have ended and of whose end all were told; in the order given.
select links.parent, parent.state, links.child, child.state, waits.kind, waits.open
from json_each(?) as given
cross join links on links.child = given.value
cross join tasks as parent on parent.seq = links.parent
cross join waits on waits.seq = links.child
cross join tasks as child on child.seq = links.child
where parent.state >= 4 and links.parent not in (select ended.parent from ended)
order by given.key, links.place
