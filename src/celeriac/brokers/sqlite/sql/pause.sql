-- pause: In: queue. A row is added if it was not paused.
insert into paused (queue) values (?) on conflict (queue) do nothing
