-- reschedule: In: ids (JSON array).  Out: id, seq, queue, priority of those that are scheduled.
select id, messages.seq, messages.queue, priority
from messages cross join tasks using (seq)
where id in (select value from json_each(?)) and state = 1
