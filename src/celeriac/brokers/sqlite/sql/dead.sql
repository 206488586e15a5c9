-- dead: In: a moment, a seq, how many.
-- Out: seq, when it failed, id; of the tasks that failed before that moment, or then and have a lower seq; the newest first.
select tasks.seq, finished, id from tasks cross join messages using (seq)
where state = 5 and (finished, tasks.seq) < (?, ?)
order by finished desc, tasks.seq desc limit ?
