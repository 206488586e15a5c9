-- forget: Out: whether there are lines of any log.
select exists (select 1 from logs)
