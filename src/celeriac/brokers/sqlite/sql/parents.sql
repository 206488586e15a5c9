-- parents: In: id, place of the first, place behind the last.  Out: ids, in the order in which they were named.
select parent.id
from messages as child
cross join links on links.child = child.seq
cross join messages as parent on parent.seq = links.parent
where child.id = ? and links.place >= ? and links.place < ? order by links.place
