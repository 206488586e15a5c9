-- tend: In: now, limit.  Out: seq of the tasks that expired before they could start.
select seq from tasks where state <= 2 and expires is not null and expires <= ? order by expires limit ?
