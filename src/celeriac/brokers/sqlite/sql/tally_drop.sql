-- tend: forget a bucket. In: step, moment.
delete from tallies where step = ? and moment = ?
