-- Out: when the first scheduled task becomes due, null when none is scheduled.
select min(due) from tasks where state = 1
