-- tend: forget those that have not counted for long. In: the last moment that is long ago.
delete from tellers where seen <= ?
