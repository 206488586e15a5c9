-- In: name.  Out: rate, burst, concurrency, tokens, since, running of a lane.
select rate, burst, concurrency, tokens, since, running from lanes where name = ?
