-- write_log: let go of the first lines of an attempt. In: seq, attempt, the first number that stays.
delete from logs where seq = ? and attempt = ? and number < ?
