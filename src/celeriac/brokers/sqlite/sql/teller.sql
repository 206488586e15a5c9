-- count: In: who counts. Out: the number of the last time.
select number from tellers where id = ?
