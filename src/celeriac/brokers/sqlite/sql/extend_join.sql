-- extend: In: id.  Out: seq of a task that still waits.
select seq from messages cross join tasks using (seq) where id = ? and state = 0
