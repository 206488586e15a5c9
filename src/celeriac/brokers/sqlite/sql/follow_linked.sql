-- follow: Out: whether any task waits or waited for another.
select exists (select 1 from links) or exists (select 1 from waits)
