-- Keep progress, checkpoints and children of running tasks.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 worker, 6 onwards per report: id, fence, its children (with spaces between), how many values follow,
--   fields and values
-- Reply: the refused ids
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
-- include: full

-- Add to the children of a task; those that are known stay where they are.
local function add_children(task, ids)
  local known, all = {}, call('HGET', task.key, 'y') or ''
  for id in string.gmatch(all, '%S+') do known[id] = true end
  local new = {}
  for id in string.gmatch(ids, '%S+') do
    if not known[id] then new[#new + 1] = id end
    known[id] = true
  end
  if #new == 0 then return end
  call('HSET', task.key, 'y', (all == '' and '' or all .. ' ') .. table.concat(new, ' '))
end

local worker, at, refused = ARGV[5], 6, {}
begin_to_write()
while at <= #ARGV do
  local children, values, task = ARGV[at + 2], tonumber(ARGV[at + 3]), look(ARGV[at])
  if held_by(task, worker) and task.fence == ARGV[at + 1] then
    if values > 0 then call('HSET', task.key, unpack(ARGV, at + 4, at + 3 + values)) end
    if children ~= '' then add_children(task, children) end
    tell_of(task)
  else
    refused[#refused + 1] = ARGV[at]
  end
  at = at + 4 + values
end
write_news()
return refused
