-- bell: In: queue.  Out: 1 when a task of it is ready and may be claimed.
select exists (select 1 from ready where queue = ? and queue not in (select queue from paused))
