-- send_unique: keep under which name a task was sent. In: name, id.
insert into named (seq, name) select seq, ? from messages where id = ?
