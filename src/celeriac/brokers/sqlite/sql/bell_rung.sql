-- A worker is about to be rung: let nobody else ring it for more. In: worker.
update workers set hungry = 0 where id = ?
