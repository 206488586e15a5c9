-- Out: when the first scheduled task becomes due, or the first lane gets a token; null for never.
select min(due) from (
    select min(due) as due from tasks where state = 1
    union all
    select min(wakes) from lanes where wakes is not null
)
