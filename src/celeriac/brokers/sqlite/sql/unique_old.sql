-- tend: forget names whose time is over. In: now.
delete from uniques where seconds is not null and since + seconds <= ?
