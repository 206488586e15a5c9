-- In: worker.  Out: the address of its bell, '' for none.
select address from workers where id = ?
