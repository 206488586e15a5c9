-- In: worker.  Out: id, since; in the order in which they were asked for.
select id, since from stops where worker = ? order by seq
