-- send: In: ids (JSON array).  Out: id, seq; of those that are known.
select id, seq from messages where id in (select value from json_each(?))
