-- watch: In: ids (JSON array).  Out: those that can still change and that nobody watches yet.
select id from tasks where watched = 0 and state <= 3 and id in (select value from json_each(?))
