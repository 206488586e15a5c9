-- follow: In: seq.  Out: what decides how a task is released: kind of waiting, queue, priority, eta, countdown, lane.
select kind, messages.queue, priority, eta, countdown, lane from waits cross join messages using (seq) where seq = ?
