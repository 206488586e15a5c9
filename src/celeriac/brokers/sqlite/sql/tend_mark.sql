-- tend: remember how far the news have come. In: now.
insert into news_marks (seq, at) select max(seq), ? from news having max(seq) is not null
