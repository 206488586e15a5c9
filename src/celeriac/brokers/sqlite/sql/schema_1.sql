-- The layout, version 1. Run once, statement by statement, in one transaction by `schema.py`.
--
-- Numbers: state 1 scheduled, 2 queued, 3 running, 4 succeeded, 5 failed, 6 cancelled (4 and up are final).
-- Times: seconds since 1970 UTC. Blobs are opaque here (JSON, empty for nothing).

-- What was sent: one row for each task. Never changed, so that a large payload is written only once.
create table messages (
    seq integer primary key,
    id text not null unique,
    name text not null,
    crash_limit integer not null,
    created real not null,
    eta real,
    payload blob not null,
    options blob not null
) strict;

-- What has become of it, under the same `seq`. The blobs stand last, behind what changes most.
-- `position` orders a line (the ready tasks of one queue and priority), the parked tasks of one name, or the
-- claims of one trip. `parked` is that name, '' for tasks that are not parked; `trip` the worker's last one.
-- `watched` says that somebody listens for changes.
create table tasks (
    seq integer primary key,
    state integer not null check (state between 1 and 6),
    queue text not null,
    priority integer not null,
    position integer not null default 0,
    parked text not null default '',
    trip integer not null default 0,
    fence integer not null default 0,
    retries integer not null default 0,
    crashes integer not null default 0,
    cancelled integer not null default 0,
    watched integer not null default 0,
    expires real,
    due real,
    started real,
    finished real,
    worker text not null default '',
    custom text not null default '',
    meta blob not null default x'',
    result blob not null default x'',
    error blob not null default x'',
    checkpoint blob not null default x''
) strict;

-- Each index holds only the rows that its verb looks for, so that a claim costs the same whatever waits.
create index tasks_ready on tasks (queue, priority desc, position, state, parked) where state = 2 and parked = '';
create index tasks_parked on tasks (parked, position, queue, state) where state = 2 and parked <> '';
create index tasks_scheduled on tasks (due, queue, state) where state = 1;
create index tasks_running on tasks (worker) where state = 3;
create index tasks_finished on tasks (finished) where state >= 4;
create index tasks_expiring on tasks (expires) where expires is not null and state <= 2;

-- Who claims. `queues` and `names` are JSON arrays. `boot` is the kernel that it runs on, `address` the file
-- name of its bell, `hungry` whether it idles and wants to be rung for new work.
create table workers (
    seq integer primary key,
    id text not null unique,
    trip integer not null default 0,
    hungry integer not null default 0,
    lease_ends real not null,
    seen real not null,
    started real not null,
    lease real not null,
    slots integer not null,
    pid integer not null,
    name text not null,
    host text not null,
    boot text not null,
    version text not null,
    address text not null default '',
    queues text not null
) strict;
create index workers_hungry on workers (seq) where hungry = 1;

-- The tasks that a worker knows, apart from its row because that is written at each trip.
create table worker_names (
    worker text not null primary key,
    names text not null
) strict;

-- Running tasks that somebody wants terminated, and since when.
create table stops (
    seq integer primary key,
    worker text not null,
    id text not null unique,
    since real not null
) strict;
create index stops_worker on stops (worker);

-- Who listens for changes of watched tasks, and what has changed. A number of `news` is never given twice.
create table listeners (
    address text not null primary key
) strict;
create table news (
    seq integer primary key autoincrement,
    id text not null,
    final integer not null
) strict;

-- `seq` was the newest of the news at that time: how their age is known.
create table news_marks (
    seq integer not null,
    at real not null
) strict;
-- The newest of the news that were dropped; one row.
create table news_dropped (
    seq integer not null
) strict;
insert into news_dropped values (0);

-- A promotion is no news: to the outside a task is pending before and after.
create trigger tasks_news after update of state, custom, meta, checkpoint on tasks
when old.watched = 1 and not (old.state = 1 and new.state = 2)
begin
    insert into news (id, final) select id, new.state >= 4 from messages where seq = new.seq;
end;

-- For people: sqlite3 celeriac.db 'select * from running'
create view running as
select
    id, name, queue, worker, custom as progress, retries, crashes,
    strftime('%Y-%m-%d %H:%M:%f', started, 'unixepoch') as started_utc
from tasks join messages using (seq) where state = 3 order by started;

create view waiting as
select
    id, name, queue, priority,
    case when state = 1 then 'scheduled' when parked <> '' then 'parked: no worker knows it' else 'queued' end as state,
    retries, crashes,
    strftime('%Y-%m-%d %H:%M:%f', created, 'unixepoch') as created_utc,
    strftime('%Y-%m-%d %H:%M:%f', due, 'unixepoch') as due_utc,
    strftime('%Y-%m-%d %H:%M:%f', expires, 'unixepoch') as expires_utc
from tasks join messages using (seq) where tasks.state in (1, 2) order by tasks.state desc, queue, priority desc, position, due;

create view finished as
select
    id, name, queue,
    case state when 4 then 'succeeded' when 5 then 'failed' else 'cancelled' end as state,
    cast(case state when 4 then result else error end as text) as outcome,
    worker, retries, crashes,
    strftime('%Y-%m-%d %H:%M:%f', created, 'unixepoch') as created_utc,
    strftime('%Y-%m-%d %H:%M:%f', finished, 'unixepoch') as finished_utc,
    round(finished - started, 3) as seconds
from tasks join messages using (seq) where tasks.state >= 4 order by finished desc;
