-- Make a task final, whatever it was; its line is left apart. In: state (4 to 6), now, result, error, seq.
insert into tasks (seq, state, queue, finished, result, error)
select seq, ?, queue, ?, ?, ? from messages where seq = ?
on conflict (seq) do update set
    state = excluded.state, finished = excluded.finished, result = excluded.result, error = excluded.error,
    due = null, parked = ''
