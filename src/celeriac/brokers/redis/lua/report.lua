-- Keep progress and checkpoints of running tasks.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 worker, 6 onwards per report: id, fence, how many values follow, fields and values
-- Reply: the refused ids
-- Atomic: all of it; may be repeated
-- include: keys
-- include: counts
-- include: bells
-- include: lines
-- include: news
-- include: task
local worker, at, refused = ARGV[5], 6, {}
while at <= #ARGV do
  local values, task = tonumber(ARGV[at + 2]), look(ARGV[at])
  if held_by(task, worker) and task.fence == ARGV[at + 1] then
    if values > 0 then call('HSET', task.key, unpack(ARGV, at + 3, at + 2 + values)) end
    tell_of(task)
  else
    refused[#refused + 1] = ARGV[at]
  end
  at = at + 3 + values
end
write_news()
return refused
