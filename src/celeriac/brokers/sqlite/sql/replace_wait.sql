-- replace: note that a task stands for another one. In: seq.
insert into waits (seq, kind, open, joins) values (?, 4, 1, 0)
on conflict (seq) do update set kind = 4, open = 1, countdown = null
