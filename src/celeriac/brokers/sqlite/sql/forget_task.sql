-- forget: In: seqs (JSON array).
delete from tasks where seq in (select value from json_each(?))
