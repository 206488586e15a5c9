-- explain: In: seq.  Out: ids of the parents of a task that have not succeeded, in order.
select id from links cross join messages on messages.seq = links.parent
left join tasks on tasks.seq = links.parent
where links.child = ? and coalesce(tasks.state, 2) <> 4
order by links.place
