-- replace, extend: let a task wait for another one, too. In: parent, dependant.
insert into links (parent, child, place)
select new.parent, new.child, coalesce((select max(place) from links where links.child = new.child), -1) + 1
from (select ? as parent, ? as child) as new
where true -- without it `on` would be read as the beginning of a join
on conflict (parent, child) do nothing
