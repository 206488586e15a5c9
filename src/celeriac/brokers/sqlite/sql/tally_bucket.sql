-- tend, counted: all rows of a bucket, in order. In: step, moment. Out: queue, name, numbers.
select queue, name, numbers from tallies where step = ? and moment = ? order by queue, name
