-- Out: the address of each listener and the number of the newest of the news (null for none).
select address, (select max(seq) from news) from listeners
