-- totals: In: seven times, how many to count at most.
-- Out: state, how many were counted: those in lines, parked, in lanes; then the other states that are not final, and failed.
select 2, count(*) from (select 1 from ready limit ?)
union all
select 2, count(*) from (select 1 from tasks where state = 2 and parked <> '' limit ?)
union all
select 2, count(*) from (select 1 from held limit ?)
union all
select 0, count(*) from (select 1 from tasks where state = 0 limit ?)
union all
select 1, count(*) from (select 1 from tasks where state = 1 limit ?)
union all
select 3, count(*) from (select 1 from tasks where state = 3 limit ?)
union all
select 5, count(*) from (select 1 from tasks where state = 5 limit ?)
