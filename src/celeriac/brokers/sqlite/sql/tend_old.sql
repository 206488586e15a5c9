-- tend: In: the moment until which to look, retention, now, limit.
-- Out: seq of the finished tasks whose retention is over. (The first bound lets the index be used.)
select seq from tasks where state >= 4 and finished <= ? and finished + ? <= ? order by finished limit ?
