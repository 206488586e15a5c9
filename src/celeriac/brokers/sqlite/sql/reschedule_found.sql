-- reschedule: In: ids (JSON array).  Out: id, seq, queue, priority, lane of those that are scheduled.
select id, messages.seq, messages.queue, priority, lane
from messages cross join tasks using (seq)
where id in (select value from json_each(?)) and state = 1
