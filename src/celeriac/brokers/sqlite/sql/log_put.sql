-- write_log: add lines. In: seq, number, attempt, at, level, body.
insert into logs (seq, number, attempt, at, level, body) values (?, ?, ?, ?, ?, ?)
