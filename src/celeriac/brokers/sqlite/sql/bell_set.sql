-- bell: note where a worker is to be rung. In: address, worker.
update workers set address = ? where id = ?
