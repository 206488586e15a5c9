-- Out: the number of the newest of the news that were dropped.
select seq from news_dropped
