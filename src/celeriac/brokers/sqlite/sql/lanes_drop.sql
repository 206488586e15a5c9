-- tend: forget lanes that nobody uses and that have all of their tokens. In: now, limit.
delete from lanes where name in (
    select name from lanes where running = 0 and wakes is null
    and (rate is null or tokens + (? - since) * rate >= burst)
    and not exists (select 1 from held where lane = name)
    and not exists (select 1 from firsts where lane = name)
    limit ?
)
