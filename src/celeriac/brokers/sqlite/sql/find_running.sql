-- find: the running tasks. In: a seq, how many.  Out: seq, twice; of those with a lower one, the newest first.
select seq, seq from tasks indexed by tasks_running where state = 3 and seq < ? order by seq desc limit ?
