-- follow: In: seq of a task that was replaced.  Out: seq of the one that it was replaced by last.
select parent from links where child = ? order by place desc limit 1
