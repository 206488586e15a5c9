-- count, tend: one row of a bucket. In: step, moment, queue, name. Out: numbers.
select numbers from tallies where step = ? and moment = ? and queue = ? and name = ?
