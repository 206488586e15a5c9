-- write_log: In: id, fence, worker.  Out: the seq of the task, if this worker holds it under this fence.
select seq from messages join tasks using (seq)
where messages.id = ? and tasks.state = 3 and tasks.fence = ? and tasks.worker = ?
