-- tend: the first bucket of a step that is over its time. In: step, the last moment that is. Out: its moment, or null.
select min(moment) from tallies where step = ? and moment <= ?
