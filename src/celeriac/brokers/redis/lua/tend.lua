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
-- include: ends
-- include: logs
-- include: task
-- include: following
-- include: recover
-- include: tallies
-- include: full
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

-- The rest has its names in a block of its own: a script can have 200 at a time.
local clean
do
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

-- Take those off the head of what has ended whose records are over. One that is kept longer, since others need it, goes
-- to the tail; one that has failed is found in DEAD.
local function trim_ends()
  local entries, trimmed, kept = call('LRANGE', INDEX.ends, 0, limit - 1), 0, {}
  local young, off = now - tonumber(RETENTION) / 1000, { c = 0, f = 0 }
  for _, entry in ipairs(entries) do
    local mark, id = string.match(entry, '^([#!]?)(.*)$')
    local got = try('HMGET', RECORD .. id, 's', 'e')
    local ended_at = not got.err and is_final(got[1]) and tonumber(got[2])
    if ended_at and ended_at > young then break end
    trimmed = trimmed + 1
    if mark == '#' then
      off.f = off.f + 1
      if ended_at then call('HSET', INDEX.trimmed, 'u', got[2]) end
    elseif ended_at then
      kept[#kept + 1] = entry
    elseif mark == '!' then
      off.c = off.c + 1
    end
  end
  if trimmed == 0 then return 0 end
  call('LTRIM', INDEX.ends, trimmed, -1)
  in_chunks('RPUSH', INDEX.ends, kept)
  call('HINCRBY', INDEX.trimmed, 'd', trimmed)
  if off.c > 0 then call('HINCRBY', INDEX.trimmed, 'c', -off.c) end
  if off.f > 0 then call('HINCRBY', INDEX.trimmed, 'f', -off.f) end
  endings.keep()
  return trimmed
end

-- Put the oldest bucket that is over its time into the next larger one, or drop it; say whether there was one.
local function age()
  for _, grade in ipairs({ { 60, 172800, 3600 }, { 3600, 2592000, 86400 }, { 86400, 34560000 } }) do
    local step, kept, larger = unpack(grade)
    local last = string.format('%.6f', now - kept - step)
    local moment = call('ZRANGEBYSCORE', TALLY.moments(step), '-inf', last, 'LIMIT', 0, 1)[1]
    if moment then
      local key = TALLY.bucket(step, moment)
      local rows = larger and call('HKEYS', key) or {}
      table.sort(rows, before)
      for _, row in ipairs(rows) do
        local queue, name = string.match(row, '^(%S*) (%S*)$')
        local into = string.format('%.0f', math.floor(moment / larger) * larger)
        if queue then put_tally(larger, into, queue, name, call('HGET', key, row)) end
      end
      call('DEL', key)
      call('ZREM', TALLY.moments(step), moment)
      return true
    end
  end
  return false
end

-- Put in order what nobody waits for; say whether there is more of it.
function clean()
  correct_counts()
  local aged, dead, ended = age(), trim_dead(), trim_ends()
  return aged or dead == limit or ended == limit
end
end

begin_to_write()
local recovered, buried, more = bury()
follow(MANY)
local expired = expire()
wake_lanes()
local promoted = promote(limit)
local told = follow(limit)
write_all()
more = clean() or more or expired == limit or promoted == limit or told == limit or call('EXISTS', ENDED, FREED) > 0
local coming = call('ZRANGEBYSCORE', SCHEDULES, '-inf', '(+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return { promoted, recovered, expired, more and '1' or '', coming[2] or '', unpack(buried) }
