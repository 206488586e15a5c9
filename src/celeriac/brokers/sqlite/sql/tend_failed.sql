-- tend: In: the moment until which to look, retention, now, limit.
-- Out: seq of the failed tasks whose retention is over, and that no unfinished one waited for.
select seq from tasks
where state = 5 and finished <= ? and finished + ? <= ? and not exists (
    select 1 from links cross join waits on waits.seq = links.child
    where links.parent = tasks.seq and waits.freed = 0
)
order by finished limit ?
