-- running: In: worker.  Out: ids of the tasks that it holds, sorted.
select id from tasks join messages using (seq) where tasks.state = 3 and tasks.worker = ? order by id
