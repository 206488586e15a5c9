-- follow: all dependants of a parent are told. In: number.
delete from ended where number = ?
