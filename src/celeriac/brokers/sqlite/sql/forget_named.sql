-- forget: In: seqs (JSON array).
delete from named where seq in (select value from json_each(?))
