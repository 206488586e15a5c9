-- replace: In: id of a parent, of a dependant.  Out: whether that one waits or waited for it.
select exists (
    select 1 from links
    where parent = (select seq from messages where id = ?) and child = (select seq from messages where id = ?)
)
