-- purge: In: queue, limit.  Out: seq of its queued tasks, parked ones and those in lanes too.
select seq from (
    with given (name) as (values (?))
    select seq from ready where queue = (select name from given)
    union all
    select seq from held where queue = (select name from given)
    union all
    select seq from tasks where state = 2 and parked <> '' and queue = (select name from given)
)
limit ?
