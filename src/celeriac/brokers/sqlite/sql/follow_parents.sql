-- follow: In: seqs (JSON array).  Out: those for which some task waits or waited.
select value from json_each(?) where exists (select 1 from links where links.parent = value)
