-- forget: In: seqs (JSON array).
delete from messages where seq in (select value from json_each(?))
