-- forget: In: seqs (JSON array).
delete from waits where seq in (select value from json_each(?))
