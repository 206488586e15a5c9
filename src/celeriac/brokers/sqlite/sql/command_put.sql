-- command: tell a worker to do something. In: worker, verb, task.
insert into commands (worker, verb, task) values (?, ?, ?)
