-- Queue failed tasks again.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards ids
-- Reply: 1 for each that was queued, else 0
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
-- include: names
local untold = {} -- those of which not all who waited for them know that they failed
for _, entry in ipairs(call('LRANGE', ENDED, 0, -1)) do untold[string.match(entry, '^%S+')] = true end

local function has_failed_itself(task)
  return task and task.state == FAILED and task.fence and string.sub(task.waits or '', 1, 1) ~= 'r'
end

-- Give a task its unique name again; say whether no other one has it.
local function takes_name_back(task)
  local holder, key = holder_of(task.unique), unique_key(task.unique)
  if not holder then call('SET', key, table.concat({ task.id, NOW, '-', '0' }, ' ')) end
  if holder == task.id and string.match(call('GET', key), ' (%S+) %d$') == '-' then call('PERSIST', key) end
  return not holder or holder == task.id
end

-- Keep what a task is given as long as from its first failure on, MOST records at most; what others need is kept anyway.
local MOST = 1000

local function keep_inputs(id, left)
  for _, parent in ipairs(call('LRANGE', parents_key(id), 0, left - 1)) do
    local key = RECORD .. parent
    local got = try('HMGET', key, 'b', 's', 'm')
    left = left - 1
    if not got.err and is_final(got[2]) and tonumber(got[1]) == 0 then
      call('PEXPIRE', key, DEAD_RETENTION)
      call('PEXPIRE', parents_key(parent), DEAD_RETENTION)
      if got[3] and string.sub(got[3], 1, 1) == 'j' and left > 0 then left = keep_inputs(parent, left) end
    end
  end
  return left
end

local is_done = {}

local function requeue(task)
  -- Said again because the first answer was lost: what we then queued counts as queued.
  if task and AGAIN and not is_done[task.id] and call('HGET', task.key, 'R') == NOW then return 1 end
  if not has_failed_itself(task) or untold[task.id] then return 0 end
  if task.unique and not takes_name_back(task) then return 0 end
  local _, _, crash_limit = tally_of(task.tally)
  -- A first write that frees lets the rest pass in a full store.
  local last = call('HMGET', task.key, 'e', 't')
  strike_dead(task.id, last[1])
  keep_attempt(task, '2', last[2] or '', last[1] or NOW)
  call('HDEL', task.key, 'e', 'x', 'z', 'm', 'k')
  call('HSET', task.key, 'g', string.format('0 0 %d', crash_limit), 'R', NOW)
  call('PERSIST', task.key)
  call('PERSIST', children_key(task.id))
  call('PEXPIRE', parents_key(task.id), DEAD_RETENTION)
  keep_inputs(task.id, MOST)
  task.expires = nil
  enqueue(task)
  return 1
end

local answers = {}
for at = 5, #ARGV do
  answers[#answers + 1] = requeue(look(ARGV[at]))
  is_done[ARGV[at]] = true
end
write_all()
return answers
