-- listener: Out: the highest number that was ever given to news, 0 for none.
select coalesce(max(seq), 0) from sqlite_sequence where name = 'news'
