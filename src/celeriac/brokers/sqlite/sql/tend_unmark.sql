-- tend: forget the marks that have served. In: the number up to which news were dropped.
delete from news_marks where seq <= ?
