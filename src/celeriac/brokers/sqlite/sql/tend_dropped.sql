-- tend: remember up to which number news were dropped. In: that number.
update news_dropped set seq = max(seq, ?)
