-- tend: see, without writing, what there is to do.
-- In: now; the moment until which finished tasks are old; that until which failed ones are; that until which a mark is
-- an old one; that until which marked news are old; those until which minutes, hours and days of the statistics are over
-- their time, and those who count have not done so for long.
-- Out: whether a worker's lease has run out, a task has expired, one is due, a finished one is old enough,
-- there are news that want a mark, marked news are old enough, anybody listens, dependants are to be told,
-- a lane gets a token, lanes may be forgotten, something of the statistics is over its time; when the next schedule is due.
select * from (
    with given (now, old, dead_old, mark_old, news_old, minute_old, hour_old, day_old, teller_old) as (
        values (?, ?, ?, ?, ?, ?, ?, ?, ?)
    )
    select
        exists (select 1 from workers where lease_ends <= (select now from given)),
        exists (
            select 1 from tasks
            where state <= 2 and expires is not null and expires <= (select now from given)
        ),
        exists (select 1 from tasks where state = 1 and due <= (select now from given)),
        exists (
            select 1 from tasks
            where state >= 4 and state <> 5 and kept = 0 and finished <= (select old from given) and not exists (
                select 1 from links cross join waits on waits.seq = links.child
                where links.parent = tasks.seq and waits.freed = 0
            )
        )
        or exists (
            select 1 from tasks where state = 5 and finished <= (select dead_old from given) and not exists (
                select 1 from links cross join waits on waits.seq = links.child
                where links.parent = tasks.seq and waits.freed = 0
            )
        )
        or exists (
            select 1 from tasks
            where kept = 1 and state >= 4 and finished <= (select dead_old from given) and not exists (
                select 1 from links cross join tasks as child on child.seq = links.child
                where links.parent = tasks.seq and (child.state < 4 or child.state = 5 or child.kept = 1)
            )
        ),
        exists (select 1 from news where seq > (select coalesce(max(seq), 0) from news_marks))
            and not exists (select 1 from news_marks where at > (select mark_old from given)),
        exists (select 1 from news_marks where at <= (select news_old from given)),
        exists (select 1 from listeners),
        exists (select 1 from ended),
        exists (select 1 from lanes where wakes <= (select now from given)),
        exists (
            select 1 from lanes where running = 0 and wakes is null
            and (rate is null or tokens + ((select now from given) - since) * rate >= burst)
            and not exists (select 1 from firsts where lane = name)
        ),
        exists (select 1 from tallies where step = 60 and moment <= (select minute_old from given))
        or exists (select 1 from tallies where step = 3600 and moment <= (select hour_old from given))
        or exists (select 1 from tallies where step = 86400 and moment <= (select day_old from given))
        or exists (select 1 from tellers where seen <= (select teller_old from given)),
        (select min(due) from schedules where paused = 0 and due is not null)
)
