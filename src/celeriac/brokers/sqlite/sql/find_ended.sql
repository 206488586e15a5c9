-- find: what has ended, the last one first. In: three times, a moment, a seq, the earliest moment, how many (of those
-- that have not failed; of those kept because a failed one was given their results; of the failed); then how many.
-- Out: when it ended, seq, seq again; of those that ended before that moment, or then and have a lower seq.
select finished, seq, seq from (
    select * from (
        select finished, seq from tasks
        where state >= 4 and state <> 5 and kept = 0 and (finished, seq) < (?, ?) and finished >= ?
        order by finished desc, seq desc limit ?
    )
    union all
    select * from (
        select finished, seq from tasks
        where kept = 1 and state in (4, 6) and (finished, seq) < (?, ?) and finished >= ?
        order by finished desc, seq desc limit ?
    )
    union all
    select * from (
        select finished, seq from tasks where state = 5 and (finished, seq) < (?, ?) and finished >= ?
        order by finished desc, seq desc limit ?
    )
)
order by finished desc, seq desc limit ?
