-- Let tasks go that wait in their lanes. In: seqs (JSON array).
delete from held where seq in (select value from json_each(?))
