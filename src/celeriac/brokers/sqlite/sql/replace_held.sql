-- replace: In: id.  Out: seq, state, worker, fence, cancelled.
select seq, state, worker, fence, cancelled from messages cross join tasks using (seq) where id = ?
