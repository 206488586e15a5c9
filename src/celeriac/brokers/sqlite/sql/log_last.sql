-- write_log: In: attempt, what a line costs beside its text, seq.
-- Out: the number of the last line of the task (0 for none), how much the lines of this attempt cost.
select coalesce(max(number), 0), coalesce(sum(case when attempt = ? then length(body) + ? end), 0)
from logs where seq = ?
