-- find: the tasks of a line, from its tail. In: queue, priority, a position, how many.
-- Out: position, seq; of those that stand before that position.
select position, seq from ready where queue = ? and priority = ? and position < ? order by position desc limit ?
