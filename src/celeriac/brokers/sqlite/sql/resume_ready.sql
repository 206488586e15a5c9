-- resume: In: queue.  Out: how many tasks of it are ready, a thousand at most.
select count(*) from (select 1 from ready where queue = ? limit 1000)
