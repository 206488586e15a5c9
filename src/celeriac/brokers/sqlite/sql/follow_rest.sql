-- follow: In: parent, the last dependant that was told, limit.
-- Out: parent, its state, dependant, its state, what kind of waiting it is, how many of its parents are open.
select links.parent, parent.state, links.child, child.state, waits.kind, waits.open
from links
cross join tasks as parent on parent.seq = links.parent
cross join waits on waits.seq = links.child
cross join tasks as child on child.seq = links.child
where links.parent = ? and links.child > ? order by links.child limit ?
