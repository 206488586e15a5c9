-- inputs: In: id, place of the first, place behind the last.
-- Out: ids of parents, in the order in which they were named, and the result of each: null where there is none.
select parent.id, case when tasks.state = 4 and coalesce(waits.kind, 0) <> 3 then result end
from messages as child
cross join links on links.child = child.seq
cross join messages as parent on parent.seq = links.parent
cross join tasks on tasks.seq = links.parent
left join waits on waits.seq = links.parent
where child.id = ? and links.place >= ? and links.place < ? order by links.place
