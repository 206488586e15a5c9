-- purge: In: queue, limit.  Out: seq of its scheduled tasks.
select seq from tasks where state = 1 and queue = ? limit ?
