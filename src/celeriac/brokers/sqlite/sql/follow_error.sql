-- follow: In: seq.  Out: id and error of a task that failed.
select id, error from messages cross join tasks using (seq) where seq = ?
