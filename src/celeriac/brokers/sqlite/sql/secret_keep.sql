-- secret: In: a fresh secret. A row is added if there is none.
insert into secrets (only, secret) values (0, ?) on conflict (only) do nothing
