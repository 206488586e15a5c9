-- tend: In: now, limit.  Out: ids of workers whose lease has run out.
select id from workers where lease_ends <= ? order by id limit ?
