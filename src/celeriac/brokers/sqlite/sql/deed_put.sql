-- note: remember who did what. In: at, body.
insert into deeds (at, body) values (?, ?)
