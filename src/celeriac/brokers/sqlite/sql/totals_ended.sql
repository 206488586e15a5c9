-- totals: In: twice, how many to count at most; of those that have not failed, and of those kept for failed ones.
-- Out: state, how many of the newest are in it.
select state, count(*) from (
    select * from (
        select state from tasks where state >= 4 and state <> 5 and kept = 0 order by finished desc limit ?
    )
    union all
    select * from (select state from tasks where kept = 1 and state in (4, 6) order by finished desc limit ?)
)
group by state
