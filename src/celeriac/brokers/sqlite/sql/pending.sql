-- pending: In: seq, how many.  Out: seq, id, whether it is queued, scheduled or waits; of the messages behind that one.
select messages.seq, id, coalesce(state, 2) < 3
from messages left join tasks on tasks.seq = messages.seq
where messages.seq > ? order by messages.seq limit ?
