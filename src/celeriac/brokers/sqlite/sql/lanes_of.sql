-- In: seqs (JSON array).  Out: seq, lane, queue, priority of those that are limited and queued.
select messages.seq, lane, messages.queue, priority
from json_each(?) cross join messages on messages.seq = value
cross join tasks on tasks.seq = messages.seq
where lane is not null and state = 2
