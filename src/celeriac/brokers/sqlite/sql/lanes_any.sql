-- Out: whether there are any lanes.
select exists (select 1 from lanes)
