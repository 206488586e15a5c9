-- dependants: In: id, how many at most, how many to leave out.  Out: ids, as they were sent.
select child.id
from messages as parent
cross join links on links.parent = parent.seq
cross join messages as child on child.seq = links.child
where parent.id = ? order by links.child limit ? offset ?
