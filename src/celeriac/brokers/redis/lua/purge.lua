-- Cancel tasks of a queue that have not started: those in lanes first, then ready ones, then parked ones, then scheduled ones.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 queue, 6 how many at most, 7 the error
-- Reply: how many
-- Atomic: all of it
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
local queue, limit, error, purged = ARGV[5], tonumber(ARGV[6]), ARGV[7], 0

local function purge(id, state, taken)
  local task = look(id)
  if task and task.state == state and task.queue == queue then
    finish(task, CANCELLED, error, taken)
    purged = purged + 1
  end
end

-- Purge what stands in a list, from its head.
local function purge_list(key, state)
  while purged < limit do
    local id = call('LPOP', key)
    if not id then break end
    purge(id, state, true)
  end
end

for _, holding in ipairs(call('SMEMBERS', holding_key(queue))) do
  local lane, priority = string.match(holding, '^(%S+) (%d)$')
  purge_list(held_key(lane, queue .. ' ' .. priority), HELD)
end
for priority = 9, 0, -1 do purge_list(line_key(queue, priority), false) end
if purged < limit and call('HEXISTS', COUNTS, 'p:' .. queue) == 1 then
  for _, name in ipairs(call('SMEMBERS', unknown_key(queue))) do
    for _, id in ipairs(call('LRANGE', parked_key(queue, name), 0, -1)) do
      if purged < limit then purge(id, WAITS) end
    end
  end
end
local scheduled = tonumber(call('HGET', COUNTS, 's:' .. queue) or 0)
local from = 0
while purged < limit and scheduled > 0 do
  local ids = call('ZRANGE', DUE, from, from + 999)
  if #ids == 0 then break end
  for _, id in ipairs(ids) do
    local before = purged
    if purged < limit then purge(id, SCHEDULED) end
    scheduled = scheduled - (purged - before)
    from = from + 1 - (purged - before)
  end
end
follow(MANY)
write_all()
return purged
