-- watch: let changes of these tasks be news. In: seqs (JSON array).
update tasks set watched = 1 where watched = 0 and state <= 3 and seq in (select value from json_each(?))
