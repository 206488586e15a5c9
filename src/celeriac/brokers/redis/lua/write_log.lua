-- Add lines to the logs of running tasks.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 worker, 6 how many bytes are kept of an attempt, 7 how many bytes a line counts beside its text, 8 of how
--   many attempts lines are kept, 9 onwards per line: id, fence, when, level, text
-- Reply: the ids of refused lines
-- Atomic: all of it; written twice when it is repeated
-- include: keys
-- include: counts
-- include: bells
-- include: lines
-- include: lanes
-- include: news
-- include: dead
-- include: logs
-- include: task
-- include: marks
local worker, RING, COSTS, ATTEMPTS = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local LONG = '8640000000' -- should nobody ever end the log of a record that was deleted by hand
local logs, refused = {}, {}

-- Field 'O' of a record: the number of the last line, the attempt that has said so, what the lines of that cost.
local function log_of(id, fence)
  local task = look(id)
  if not held_by(task, worker) or task.fence ~= fence then return nil end
  local number, attempt, size = string.match(call('HGET', task.key, 'O') or '', '^(%d+) (%d+) (%d+)$')
  local log = { id = id, record = task.key, key = log_key(id, fence), fence = fence, number = tonumber(number or 0), size = 0 }
  if attempt == fence then
    log.size = tonumber(size)
  else
    call('DEL', log.key, log_key(id, string.format('%d', tonumber(fence) - ATTEMPTS)))
    mark(id, worker)
  end
  return log
end

local function add(log, time, level, text)
  log.number = log.number + 1
  call('RPUSH', log.key, string.format('%d %s %s\n', log.number, time, level) .. text)
  log.size = log.size + #text + COSTS
  while log.size > RING and call('LLEN', log.key) > 1 do
    local entry = call('LPOP', log.key)
    log.size = log.size - (#entry - string.find(entry, '\n', 1, true)) - COSTS
  end
end

for at = 9, #ARGV, 5 do
  local id, fence = ARGV[at], ARGV[at + 1]
  local name = id .. ' ' .. fence
  if logs[name] == nil then logs[name] = log_of(id, fence) or false end
  if logs[name] then
    add(logs[name], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
  else
    refused[#refused + 1] = id
  end
end
for _, log in pairs(logs) do
  if log then
    call('HSET', log.record, 'O', string.format('%d %s %d', log.number, log.fence, log.size))
    call('PEXPIRE', log.key, LONG)
  end
end
return refused
