-- bell: In: queue.  Out: 1 when a task of it is ready.
select exists (select 1 from ready where queue = ?)
