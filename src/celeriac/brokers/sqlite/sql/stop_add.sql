-- cancel: note that a worker is to terminate a task. In: worker, id, now.
insert into stops (worker, id, since) values (?, ?, ?) on conflict (id) do nothing
