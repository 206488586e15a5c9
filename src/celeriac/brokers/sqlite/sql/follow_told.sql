-- follow: In: the last dependant that was told, number.
update ended set told = ? where number = ?
