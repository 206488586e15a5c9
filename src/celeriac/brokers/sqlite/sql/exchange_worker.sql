-- exchange: In: worker.  Out: its last trip, whether it is hungry, how many stops it has. No row: not known.
select trip, hungry, (select count(*) from stops where stops.worker = workers.id)
from workers where id = ?
