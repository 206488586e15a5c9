-- Let a join that still waits wait for more tasks, which are sent.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 the join, 6 for how many of them, 7 onwards their ids, then as from 5 on for send_graph.lua
-- Reply: 1 when it was done, 0 when it waits no more, or the first id that is waited for and not known: then nothing
--   is written
-- Atomic: all of it; may be repeated
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
local task, many = look(ARGV[5]), tonumber(ARGV[6])
if not task or task.state ~= WAITING then return 0 end
local sent = send_graph(7 + many)
if type(sent) == 'string' then return sent end
local more = {}
for at = 7, 6 + many do
  if not call('LPOS', parents_key(task.id), ARGV[at]) then more[#more + 1] = ARGV[at] end
end
call('HINCRBY', task.key, 'k', #more)
wait_for_more(task, more)
follow(MANY)
write_all()
return 1
