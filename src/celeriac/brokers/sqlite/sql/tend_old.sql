-- tend: In: the moment until which to look, retention, now, limit.
-- Out: seq of the finished tasks whose retention is over, that no unfinished one waited for, and that have not failed nor
-- were given to one that has. (The first bound lets the index be used.)
select seq from tasks
where state >= 4 and state <> 5 and kept = 0 and finished <= ? and finished + ? <= ? and not exists (
    select 1 from links cross join waits on waits.seq = links.child
    where links.parent = tasks.seq and waits.freed = 0
)
order by finished limit ?
