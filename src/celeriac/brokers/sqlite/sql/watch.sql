-- watch: let changes of these tasks be news. In: ids (JSON array). Rows change only where nobody watched yet.
update tasks set watched = 1 where watched = 0 and state <= 3 and id in (select value from json_each(?))
