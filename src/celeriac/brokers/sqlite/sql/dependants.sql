-- dependants: In: id, how many to leave out, how many at most.  Out: ids, as they were sent.
select child.id
from messages as parent
cross join links on links.parent = parent.seq
cross join messages as child on child.seq = links.child
where parent.id = ?1 order by links.child limit ?3 offset ?2
