-- Keep a lane. In: name, rate, burst, concurrency, tokens, since, running, wakes.
insert into lanes (name, rate, burst, concurrency, tokens, since, running, wakes)
values (?, ?, ?, ?, ?, ?, ?, ?)
on conflict (name) do update set
    rate = excluded.rate, burst = excluded.burst, concurrency = excluded.concurrency,
    tokens = excluded.tokens, since = excluded.since, running = excluded.running, wakes = excluded.wakes
