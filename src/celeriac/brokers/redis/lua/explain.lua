-- Look at all that decides whether a task may be claimed.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 id, 6 how many of those before it are counted at most, 7 how many ids of others are named at most
-- Reply: nothing when there is no such task, else: its record (fields and values), '1' if its queue is paused, 'p' if it is
--   parked or 'h' if it is held, how many live workers serve its queue, how many of those know its name, how many free
--   slots those have, how many tasks go before it, how many of those that it waits for have not succeeded, ids of some of
--   them, how many tasks of its lane run, ids of some of them, when its lane gets a token or ''
-- Atomic: all of it; changes nothing
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
local id, most, some = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local task = look(id)
if not task then return {} end

-- Of the live workers those that serve its queue.
local listening, knowing, free = 0, 0, 0
for _, worker in ipairs(call('ZRANGEBYSCORE', WORKERS, '(' .. NOW, '+inf')) do
  local known = call('HMGET', worker_key(worker), 'q', 'i')
  if known[1] and string.find(' ' .. known[1] .. ' ', ' ' .. task.queue .. ' ', 1, true) then
    listening = listening + 1
    if call('SISMEMBER', names_key(worker), task.name) == 1 then
      local slots = tonumber(string.match(known[2] or '', '"slots":(%d+)')) or 1
      knowing = knowing + 1
      free = free + math.max(0, slots - math.max(0, call('HLEN', running_key(worker)) - 1))
    end
  end
end

local function tasks_before()
  if task.state then return 0 end
  local before = 0
  for priority = 9, tonumber(task.priority) + 1, -1 do
    before = before + call('LLEN', line_key(task.queue, tostring(priority)))
  end
  local place = call('LPOS', line_key(task.queue, task.priority), id, 'MAXLEN', most)
  return math.min(most, before + (place or most))
end

local function open_parents()
  local open, ids = 0, {}
  if task.state ~= WAITING then return 0, ids end
  for _, parent in ipairs(call('LRANGE', parents_key(id), 0, -1)) do
    if call('HGET', RECORD .. parent, 's') ~= SUCCEEDED then
      open = open + 1
      if #ids < some then ids[#ids + 1] = parent end
    end
  end
  return open, ids
end

-- How many tasks of its lane run, some of them, and when the lane gets a token if it lacks one.
local function lane_of_task()
  local lane = task.lane and known_lane(string.match(task.lane, '^%S+'))
  if not lane then return 0, {}, '' end
  local ids = {}
  for _, worker in ipairs(lane.running > 0 and call('ZRANGE', WORKERS, 0, -1) or {}) do
    for _, running in ipairs(call('HKEYS', running_key(worker))) do
      local text = running ~= PAD and call('HGET', RECORD .. running, 'L')
      if text and string.match(text, '^%S+') == lane.name then ids[#ids + 1] = running end
    end
  end
  table.sort(ids, before)
  while #ids > some do table.remove(ids) end
  local wakes = not has_room(lane) and wakes_at(lane)
  return lane.running, ids, wakes and number(wakes) or ''
end

local open, parents = open_parents()
local running, holders, wakes = lane_of_task()
local state = task.state
return {
  call('HGETALL', task.key),
  call('SISMEMBER', PAUSED, task.queue) == 1 and '1' or '',
  (state == WAITS or state == HELD) and state or '',
  listening, knowing, free, tasks_before(), open, parents, running, holders, wakes,
}
