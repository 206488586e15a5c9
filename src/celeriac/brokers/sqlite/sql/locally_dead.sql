-- locally_dead: In: boot.  Out: ids of the workers that run on this kernel.
select id from workers where boot = ? order by id
