-- tend: In: the moment until which news are old.  Out: the number up to which they are, null for none.
select max(seq) from news_marks where at <= ?
