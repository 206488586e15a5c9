-- tend: In: the moment until which to look, retention, now, limit.
-- Out: seq of the finished tasks whose results failed ones were given that are gone by now, or have ended otherwise, their
-- retention being over, and that no unfinished one waited for.
select seq from tasks
where kept = 1 and state >= 4 and finished <= ? and finished + ? <= ? and not exists (
    select 1 from links cross join tasks as child on child.seq = links.child
    where links.parent = tasks.seq and (child.state < 4 or child.state = 5 or child.kept = 1)
) and not exists (
    select 1 from links cross join waits on waits.seq = links.child
    where links.parent = tasks.seq and waits.freed = 0
)
order by finished limit ?
