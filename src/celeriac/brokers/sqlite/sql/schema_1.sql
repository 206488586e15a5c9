-- The layout, version 1. Run once, statement by statement, in one transaction by `schema.py`.
--
-- Numbers: state 0 waiting for others, 1 scheduled, 2 queued, 3 running, 4 succeeded, 5 failed, 6 cancelled (4 and up are final).
-- Times: seconds since 1970 UTC. Blobs are opaque here (JSON, empty for nothing).

-- What was sent: one row for each task. Never changed, so that a large payload is written only once.
-- `place` is the position in its line that the task got when it was sent, `lane` how it is limited: the name of
-- its lane, rate, burst and concurrency, with spaces between; null for not at all.
create table messages (
    seq integer primary key,
    id text not null unique,
    name text not null,
    queue text not null,
    priority integer not null,
    place integer not null,
    crash_limit integer not null,
    created real not null,
    eta real,
    payload blob not null,
    options blob not null,
    lane text
) strict;

-- The lines: who may be claimed, and in which order. A line is the tasks of one queue and priority.
create table ready (
    queue text not null,
    priority integer not null,
    position integer not null,
    seq integer not null,
    primary key (queue, priority desc, position)
) strict, without rowid;

-- Limited tasks that are queued and wait in their lane, and not where workers look; each has a row in `tasks`.
create table held (
    seq integer primary key,
    lane text not null,
    queue text not null,
    priority integer not null,
    position integer not null
) strict;
create unique index held_lane on held (lane, queue, priority, position);
create index held_queue on held (queue);

-- The lanes: their tokens at the moment `since`, how many of their tasks run, and when the first one that waits may
-- go, if that is a matter of time.
create table lanes (
    name text not null primary key,
    rate real,
    burst real not null,
    concurrency integer,
    tokens real not null,
    since real not null,
    running integer not null,
    wakes real
) strict, without rowid;
create index lanes_wakes on lanes (wakes) where wakes is not null;

-- Where the first one of a lane stands in a line, or is parked.
create table firsts (
    lane text not null,
    queue text not null,
    priority integer not null,
    primary key (lane, queue, priority)
) strict, without rowid;

-- What has become of it, under the same `seq`. A task that has only stood in its line since it was sent, never
-- expires and is not watched has no row yet: it is queued, and everything else is as the defaults say.
-- `position` is that in the line, among the parked tasks of one name, or among the claims of one trip.
-- `parked` is that name, '' for tasks that are not parked; `trip` the worker's last one. `watched` says that
-- somebody listens for changes, `kept` that a failed task was given its result, which may need it again. The blobs stand last, behind what changes most.
create table tasks (
    seq integer primary key,
    state integer not null check (state between 0 and 6),
    queue text not null,
    position integer not null default 0,
    parked text not null default '',
    trip integer not null default 0,
    fence integer not null default 0,
    retries integer not null default 0,
    crashes integer not null default 0,
    cancelled integer not null default 0,
    watched integer not null default 0,
    kept integer not null default 0,
    expires real,
    due real,
    started real,
    finished real,
    worker text not null default '',
    custom text not null default '',
    meta blob not null default x'',
    result blob not null default x'',
    error blob not null default x'',
    checkpoint blob not null default x'',
    children text not null default '[]',
    attempts blob not null default x''
) strict;

-- Each index holds only the rows that its verb looks for, so that it costs the same whatever else there is.
create index tasks_parked on tasks (parked, position, queue, state) where state = 2 and parked <> '';
create index tasks_waiting on tasks (queue) where state = 0;
create index tasks_scheduled on tasks (due, queue, state) where state = 1;
create index tasks_running on tasks (worker) where state = 3;
create index tasks_finished on tasks (finished) where state >= 4 and state <> 5 and kept = 0;
create index tasks_failed on tasks (finished) where state = 5;
create index tasks_kept on tasks (finished) where kept = 1;
create index tasks_expiring on tasks (expires) where expires is not null and state <= 2;

-- What waits or waited for other tasks, and how: `kind` 1 for their success, 2 for the failure of its only one, 3
-- that it is a join, which is not run, 4 that it was replaced and stands for another one. `open` is how many have not succeeded yet, `joins` how many of them may be
-- joins, `freed` whether it needs their results no more.
create table waits (
    seq integer primary key,
    kind integer not null,
    open integer not null,
    joins integer not null,
    freed integer not null default 0,
    countdown real
) strict;

create table links (
    parent integer not null,
    child integer not null,
    place integer not null,
    primary key (parent, child)
) strict, without rowid;

create index links_child on links (child, place, parent);

-- Tasks that have ended, and whose dependants after `told` do not know it yet, since a step tells only so many.
create table ended (
    number integer primary key autoincrement,
    parent integer not null unique,
    told integer not null
) strict;

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

-- What each tells of itself with its heartbeats; opaque. Apart from its row for the same reason.
create table pulses (
    worker text not null primary key,
    pulse blob not null
) strict;

-- What workers are told to do and have not heard yet.
create table commands (
    number integer primary key autoincrement,
    worker text not null,
    verb text not null,
    task text not null
) strict;
create index commands_worker on commands (worker, number);

-- What tasks have logged: line by line, `attempt` being the fence of the run that has said so.
create table logs (
    seq integer not null,
    number integer not null,
    attempt integer not null,
    at real not null,
    level integer not null,
    body blob not null,
    primary key (seq, number)
) strict, without rowid;

-- Who did what.
create table deeds (
    number integer primary key autoincrement,
    at real not null,
    body blob not null
) strict;

-- The queues from which nothing is claimed.
create table paused (
    queue text not null primary key
) strict, without rowid;

-- What the users of this store sign with if they were given no keys; one row at most.
create table secrets (
    only integer primary key check (only = 0),
    secret blob not null
) strict;

-- Names that only one task can have at a time: whose they are, since when and, if not until that has ended, for how long.
-- `until` is 1 for as long as there is a record.
create table uniques (
    name text not null primary key,
    id text not null,
    since real not null,
    seconds real,
    until integer not null
) strict, without rowid;
create index uniques_id on uniques (id) where seconds is null;
create index uniques_ends on uniques (since + seconds) where seconds is not null;

-- The unique names that tasks were sent under, also when others have them by now.
create table named (
    seq integer primary key,
    name text not null
) strict;

-- What shall run on time. `entry` and `memory` are opaque; `token` is another one after each change.
create table schedules (
    name text not null primary key,
    entry blob not null,
    due real,
    memory blob not null,
    paused integer not null,
    token text not null
) strict, without rowid;
create index schedules_due on schedules (due, name) where paused = 0 and due is not null;

-- What was counted, see `tally.py`: of each bucket of time a row for each queue and name. `step` is how many seconds
-- the bucket has, 0 for all that was ever counted; `numbers` is text, `place:number place:number ...`.
create table tallies (
    step integer not null,
    moment integer not null,
    queue text not null,
    name text not null,
    numbers text not null,
    primary key (step, moment, queue, name)
) strict, without rowid;

-- Who counts, and the number of the last time that he told.
create table tellers (
    id text not null primary key,
    number integer not null,
    seen real not null
) strict, without rowid;
create index tellers_seen on tellers (seen);

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

-- A release or promotion is no news: to the outside a task is pending before and after.
create trigger tasks_news after update of state, custom, meta, checkpoint on tasks
when old.watched = 1 and not (old.state < 3 and new.state < 3)
begin
    insert into news (id, final) select id, new.state >= 4 from messages where seq = new.seq;
end;

-- For people: sqlite3 celeriac.db 'select * from running'
create view running as
select
    id, name, messages.queue, worker, custom as progress, retries, crashes,
    strftime('%Y-%m-%d %H:%M:%f', started, 'unixepoch') as started_utc
from tasks join messages using (seq) where state = 3 order by started;

create view waiting as
select
    id, name, messages.queue, priority,
    case when state = 0 then 'waiting for others' when state = 1 then 'scheduled'
        when parked <> '' then 'parked: no worker knows it'
        when seq in (select seq from held) then 'held: its limit is reached' else 'queued' end as state,
    coalesce(retries, 0) as retries, coalesce(crashes, 0) as crashes,
    strftime('%Y-%m-%d %H:%M:%f', created, 'unixepoch') as created_utc,
    strftime('%Y-%m-%d %H:%M:%f', due, 'unixepoch') as due_utc,
    strftime('%Y-%m-%d %H:%M:%f', expires, 'unixepoch') as expires_utc
from (
    select seq from ready
    union all select seq from tasks where state = 2 and parked <> ''
    union all select seq from held
    union all select seq from tasks where state = 1
    union all select seq from tasks where state = 0
) join messages using (seq) left join tasks using (seq)
order by coalesce(state, 2) desc, messages.queue, priority desc, coalesce(position, place), due;

create view finished as
select
    id, name, messages.queue,
    case state when 4 then 'succeeded' when 5 then 'failed' else 'cancelled' end as state,
    cast(case state when 4 then result else error end as text) as outcome,
    worker, retries, crashes,
    strftime('%Y-%m-%d %H:%M:%f', created, 'unixepoch') as created_utc,
    strftime('%Y-%m-%d %H:%M:%f', finished, 'unixepoch') as finished_utc,
    round(finished - started, 3) as seconds
from tasks join messages using (seq) where tasks.state >= 4 order by finished desc;
