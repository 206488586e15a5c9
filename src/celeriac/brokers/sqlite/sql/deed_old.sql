-- note: let go of what is too much, or too old. In: how many stay, the moment until which they are too old.
delete from deeds where number <= (select max(number) from deeds) - ? or at <= ?
