-- follow: In: seq.  Out: the result, or the error, of a task that has ended.
select case state when 4 then result else error end from tasks where seq = ?
