-- tend: In: the moment before which news are old.
-- Out: the number up to which they are old (null for none), when the newest mark was set (null for none),
-- whether there are any news at all.
select (select max(seq) from news_marks where at <= ?), (select max(at) from news_marks), exists (select 1 from news)
