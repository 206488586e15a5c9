-- parents: In: id, how many to leave out, how many at most.  Out: ids, in the order in which they were named.
select parent.id
from messages as child
cross join links on links.child = child.seq
cross join messages as parent on parent.seq = links.parent
where child.id = ?1 order by links.place limit ?3 offset ?2
