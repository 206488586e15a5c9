-- heartbeat: keep what a worker tells of itself. In: worker, pulse.
insert into pulses (worker, pulse) values (?, ?)
on conflict (worker) do update set pulse = excluded.pulse
