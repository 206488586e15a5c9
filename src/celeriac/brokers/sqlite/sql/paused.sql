-- exchange, resume: Out: the queues from which nothing is claimed.
select queue from paused
