-- In: now.  Out: the lanes whose time has come.
select name from lanes where wakes <= ? order by name
