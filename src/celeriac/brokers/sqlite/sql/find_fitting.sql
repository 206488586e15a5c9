-- find: choose. In: states (their digits), queues, patterns of names and of workers (GLOB), beginnings of ids (JSON arrays,
-- empty for any), since, until, sent before (null for any), the seqs to choose from (JSON array).
-- Out: seq, id; of those that fit.
select messages.seq, messages.id
from (
    select ? as states, ? as queues, ? as names, ? as workers, ? as ids, ? as since, ? as until, ? as sent_before, ? as seqs
) as asked
cross join json_each(asked.seqs) as chosen
cross join messages on messages.seq = chosen.value
left join tasks on tasks.seq = messages.seq
where instr(asked.states, coalesce(state, 2)) > 0
and (asked.queues = '[]' or messages.queue in (select value from json_each(asked.queues)))
and (asked.names = '[]' or exists (select 1 from json_each(asked.names) as pattern where name glob pattern.value))
and (asked.workers = '[]' or exists (select 1 from json_each(asked.workers) as pattern where worker glob pattern.value))
and (asked.ids = '[]' or exists (
    select 1 from json_each(asked.ids) as start where substr(messages.id, 1, length(start.value)) = start.value
))
and (asked.since is null or coalesce(finished, started, created) >= asked.since)
and (asked.until is null or coalesce(finished, started, created) < asked.until)
and (asked.sent_before is null or created < asked.sent_before)
