-- listener: Out: the number of the newest of the news that were dropped, the highest number ever given.
select seq, (select coalesce(max(seq), 0) from sqlite_sequence where name = 'news') from news_dropped
