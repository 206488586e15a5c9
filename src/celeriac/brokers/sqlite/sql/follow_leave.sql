-- follow: leave dependants to a later step. In: parent, the last one that was told (0 for none).
insert into ended (parent, told) values (?, ?)
