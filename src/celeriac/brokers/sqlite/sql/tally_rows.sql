-- count, tend: how many rows a bucket has. In: step, moment. Out: that.
select count(*) from tallies where step = ? and moment = ?
