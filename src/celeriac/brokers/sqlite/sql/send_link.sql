-- send: keep for which task another one waits; with many rows of values at once, too.
-- In: parent, dependant, place of the parent among those that it waits for.
insert into links (parent, child, place)
values (?, ?, ?)
