-- write_log: let go of the lines of old attempts. In: seq, the last attempt to go.
delete from logs where seq = ? and attempt <= ?
