-- follow: keep what failed tasks were given as long as them, for they may be requeued: their parents, and the parents of
-- joins among these.
-- In: seqs of the failed tasks (JSON array), how many parents at most.
update tasks set kept = 1 where kept = 0 and seq in (
    with recursive given (seq) as (
        select links.parent from json_each(?) as failed cross join links on links.child = failed.value
        union
        select links.parent
        from given
        cross join waits on waits.seq = given.seq
        cross join links on links.child = waits.seq
        where waits.kind = 3
        limit ?
    )
    select seq from given
)
