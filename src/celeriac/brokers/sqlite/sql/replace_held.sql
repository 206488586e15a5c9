-- replace: In: id.  Out: seq, state, worker, fence, lane, cancelled.
select seq, state, worker, fence, lane, cancelled from messages cross join tasks using (seq) where id = ?
