-- count, tend: write one row of a bucket. In: step, moment, queue, name, numbers.
insert into tallies (step, moment, queue, name, numbers) values (?, ?, ?, ?, ?)
on conflict (step, moment, queue, name) do update set numbers = excluded.numbers
