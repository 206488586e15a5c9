-- Out: id, queues, address of the workers that want to be rung for new work; the longest known first.
select id, queues, address from workers where hungry = 1 and address <> '' order by seq
