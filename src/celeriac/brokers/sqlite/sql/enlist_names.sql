-- enlist: keep the names that a worker knows. In: worker, names.
insert into worker_names (worker, names) values (?, ?)
on conflict (worker) do update set names = excluded.names
