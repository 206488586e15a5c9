-- In: lane, queue, priority.  Out: seq, position of the first one that waits there.
select seq, position from held where lane = ? and queue = ? and priority = ? order by position limit 1
