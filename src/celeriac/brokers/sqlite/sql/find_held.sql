-- find: what waits in lanes. In: a seq, how many.  Out: seq, twice; of those with a lower one, the newest first.
select seq, seq from held where seq < ? order by seq desc limit ?
