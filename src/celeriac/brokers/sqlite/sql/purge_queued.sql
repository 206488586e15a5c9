-- purge: In: queue, limit.  Out: seq of its queued tasks, parked ones too.
select seq from tasks where state = 2 and parked = '' and queue = ?1
union all
select seq from tasks where state = 2 and parked <> '' and queue = ?1
limit ?2
