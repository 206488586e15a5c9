-- In: name.  Out: the highest position among the parked tasks of that name, null when there is none.
select max(position) from tasks where state = 2 and parked <> '' and parked = ?
