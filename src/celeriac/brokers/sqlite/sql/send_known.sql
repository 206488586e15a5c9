-- send: In: ids (JSON array).  Out: those that are already known.
select id from messages where id in (select value from json_each(?))
