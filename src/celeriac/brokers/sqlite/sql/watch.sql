-- watch: let changes of these tasks be news. In: seqs (JSON array).
insert into tasks (seq, state, queue, position, watched)
select seq, 2, queue, place, 1 from messages where seq in (select value from json_each(?))
on conflict (seq) do update set watched = 1 where watched = 0 and state <= 3
