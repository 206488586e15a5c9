-- Do what time asks for: recover from dead workers, cancel the expired, promote the due.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 how many of each at most, 6 the error of tasks that crashed too often, 7 of expired ones,
--   8 of revoked ones
-- Reply: promoted, recovered, expired, '1' when there is more to do, when the next schedule is due or '', and the
--   dead workers
-- Atomic: all of it; any number may tend at once
-- include: keys
-- include: counts
-- include: bells
-- include: lines
-- include: lanes
-- include: news
-- include: dead
-- include: logs
-- include: task
-- include: following
-- include: recover
local limit, lost, over, revoked = tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8]

local function bury()
  local dead = call('ZRANGEBYSCORE', WORKERS, '-inf', NOW, 'LIMIT', 0, limit)
  table.sort(dead, before)
  local recovered, buried = 0, {}
  for _, worker in ipairs(dead) do
    if recovered >= limit then return recovered, buried, true end
    recovered = recovered + recover(worker, lost, revoked)
    buried[#buried + 1] = worker
  end
  return recovered, buried, #dead == limit
end

local function expire()
  local ids = call('ZRANGEBYSCORE', EXPIRY, '-inf', NOW, 'LIMIT', 0, limit)
  local expired = 0
  for _, id in ipairs(ids) do
    local task = look(id)
    if task and task.state ~= RUNNING and not is_final(task.state) then
      finish(task, CANCELLED, over)
      expired = expired + 1
    else
      call('ZREM', EXPIRY, id)
    end
  end
  return expired
end

-- Where somebody has deleted keys by hand, a count may be left over for an empty line.
local function correct_counts()
  for _, field in ipairs(call('HKEYS', COUNTS)) do
    local priority, queue = string.match(field, '^(%d):(.*)$')
    if priority and call('EXISTS', line_key(queue, priority)) == 0 then call('HDEL', COUNTS, field) end
  end
end

-- Strike those off the index of failed tasks whose records are over; the server has dropped them.
local function trim_dead()
  local over = moment_of(now - tonumber(DEAD_RETENTION) / 1000)
  local entries = call('ZRANGE', DEAD, '-', '(' .. over, 'BYLEX', 'LIMIT', 0, limit)
  in_chunks('ZREM', DEAD, entries)
  return #entries
end

local recovered, buried, more = bury()
follow(MANY)
local expired = expire()
wake_lanes()
local promoted = promote(limit)
local told = follow(limit)
write_all()
correct_counts()
more = trim_dead() == limit or more or expired == limit or promoted == limit or told == limit or call('EXISTS', ENDED, FREED) > 0
local coming = call('ZRANGEBYSCORE', SCHEDULES, '-inf', '(+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return { promoted, recovered, expired, more and '1' or '', coming[2] or '', unpack(buried) }
