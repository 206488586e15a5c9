-- replace, extend: let a task wait for another one, too. In: parent, dependant.
insert into links (parent, child, place)
select ?1, ?2, coalesce(max(place), -1) + 1 from links where child = ?2
on conflict (parent, child) do nothing
