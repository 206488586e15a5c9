-- Take a task out of its line, if it stands in one. In: seq, seq.
delete from ready
where (queue, priority, position) = (
    select messages.queue, priority, coalesce(tasks.position, place)
    from messages left join tasks using (seq) where seq = ?
) and ready.seq = ?
