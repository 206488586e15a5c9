-- activity: In: below which number (0 for any), the same, how many.  Out: at, body, number; the newest first.
select at, body, number from deeds where ? = 0 or number < ? order by number desc limit ?
