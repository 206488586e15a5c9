-- Accept messages of which some wait for others.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 how many tasks that were sent before are waited for, 6 where the runs begin, 7 onwards: those tasks' ids;
--   of each message that waits, in their order: id, how many parents it has, their ids; then runs as for send.lua,
--   where 'w' as eta says that they wait
-- Reply: how many were new, or the first id that is waited for and not known: then nothing is written
-- Atomic: all of it; a store that is full, or whose queue is something else, refuses and is left as it was
-- include: keys
-- include: counts
-- include: bells
-- include: lines
-- include: lanes
-- include: news
-- include: dead
-- include: ends
-- include: logs
-- include: task
-- include: following
-- include: marks
-- include: messages
-- include: graph
local sent = send_graph(5)
follow(MANY)
write_all()
return sent
