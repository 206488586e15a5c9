-- forget: In: seqs (JSON array).
delete from logs where seq in (select value from json_each(?))
