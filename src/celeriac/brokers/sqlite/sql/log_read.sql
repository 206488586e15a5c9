-- read_log: In: id, after which number, how many.  Out: the columns of an Entry, by number.
select number, attempt, at, level, body from logs
where seq = (select seq from messages where id = ?) and number > ? order by number limit ?
