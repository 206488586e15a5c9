-- In: now, limit.  Out: seq, queue, priority, lane of the scheduled tasks that are due, earliest first.
select seq, messages.queue, priority, lane
from tasks cross join messages using (seq)
where state = 1 and due <= ? order by due, id limit ?
