-- send_unique: In: name.
-- Out: id of the task that has it, since when, for how long (null for until it ends), 1 for as long as there is a
-- record, and of that task: seq and state, null where it is gone, and when it is too late for it to start, or null.
select uniques.id, since, seconds, until, messages.seq, coalesce(state, 2), expires
from uniques
left join messages on messages.id = uniques.id
left join tasks on tasks.seq = messages.seq
where uniques.name = ?
