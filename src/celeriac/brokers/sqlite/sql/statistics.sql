-- statistics: In: step, the moment after which buckets are asked for, that before which. Out: moment, queue, name,
-- numbers; in order.
select moment, queue, name, numbers from tallies
where step = ? and moment > ? and moment < ? order by moment, queue, name
