-- retire: forget a worker. In: worker. No row changes when it is not known.
delete from workers where id = ?
