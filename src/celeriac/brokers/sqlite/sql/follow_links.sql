-- follow: In: parents (JSON array), limit.
-- Out: parent, its state, dependant, its state, what kind of waiting it is, how many of its parents are open;
-- in the order of the parents, of each as they were sent.
select links.parent, parent.state, links.child, child.state, waits.kind, waits.open
from json_each(?) as given
cross join links on links.parent = given.value
cross join tasks as parent on parent.seq = links.parent
cross join waits on waits.seq = links.child
cross join tasks as child on child.seq = links.child
order by given.key, links.child limit ?
