-- explain: In: lane, most.  Out: ids of the running tasks of that lane, in order.
select id from tasks cross join messages using (seq)
where state = 3 and lane is not null and instr(lane, ? || ' ') = 1 order by id limit ?
