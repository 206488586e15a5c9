-- follow: Out: whether an earlier step has left any dependants untold.
select exists (select 1 from ended)
