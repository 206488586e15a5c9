-- Settle what a worker finished and claim what it shall run next. The hot path.
-- KEYS, ARGV 1 to 3: include/keys.lua
-- ARGV: 4 worker, 5 trip, 6 how many it wants, 7 the error of expired tasks, 8 of revoked, 9 of broken
--   ones, 10 onwards per settlement: id, fence, verdict, due, body
-- Reply: nothing when the worker is unknown, else: the earliest due time or '', refused ids, ids to stop,
--   lines of the claims as "queue priority how-many" (each with spaces between), and per claim: id, name,
--   payload, fence, extras. Extras is false or: options, retries, crashes, crash limit, checkpoint
-- Atomic: all of it. A trip with the last one's number settles nothing and repeats its claims.
-- include: keys
-- include: counts
-- include: lines
-- include: news
-- include: task
local SUCCEED, FAIL, CANCEL, RETRY, RELEASE, CRASHED = '1', '2', '3', '4', '5', '6'
local FINAL = { [SUCCEED] = SUCCEEDED, [FAIL] = FAILED, [CANCEL] = CANCELLED }
local LOOKS, STALE = 1000, 10000
local worker, trip, want = ARGV[4], ARGV[5], tonumber(ARGV[6])
local EXPIRED, REVOKED, BROKEN = ARGV[7], ARGV[8], ARGV[9]

local known = redis.call('HMGET', worker_key(worker), 't', 'q', 'a')
if not known[2] then return {} end
local queues = {}
for queue in string.gmatch(known[2], '%S+') do queues[#queues + 1] = queue end

-- A first write that frees lets the rest pass in a full store, so that its workers can empty it.
redis.call('PERSIST', worker_key(worker))

local refused, heads = {}, {}

local function settle(task, verdict, due, body)
  if FINAL[verdict] then return finish(task, FINAL[verdict], body) end
  if task.cancelled then return finish(task, CANCELLED, REVOKED) end
  if verdict == CRASHED then
    if crash(task, body, REVOKED) then heads[#heads + 1] = task end
    return
  end
  leave(task)
  tell_of(task)
  if verdict == RELEASE and tonumber(due) == 0 then
    heads[#heads + 1] = task
    return
  end
  if verdict == RETRY then
    redis.call('HSET', task.key, 'r', (tonumber(task.retries or 0) or 0) + 1, 't', body)
  end
  schedule(task, due)
end

local function settle_all()
  for at = 10, #ARGV, 5 do
    local task = look(ARGV[at])
    if held_by(task, worker, ARGV[at + 1]) then
      settle(task, ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
    else
      refused[#refused + 1] = ARGV[at]
    end
  end
  to_heads(heads)
end

local claims, groups, claimed, names = {}, {}, {}, {}

local function knows(name)
  if names[name] == nil then names[name] = redis.call('SISMEMBER', names_key(worker), name) == 1 end
  return names[name]
end

local function park(id, name, key, queue, priority)
  redis.call('HSET', key, 's', PARKED_STATE)
  redis.call('RPUSH', parked_key(name), id)
  redis.call('SADD', PARKED, name)
  count(priority, queue, -1)
  count('p', queue, 1)
end

local function answer(id, got, fence)
  local extras = false
  if got[4] or got[5] or got[6] or got[7] or got[8] then
    extras = { got[4] or '', got[5] or '0', got[6] or '0', got[7] or '3', got[8] or '' }
  end
  local n = #claims
  claims[n + 1], claims[n + 2], claims[n + 3], claims[n + 4], claims[n + 5] =
    id, got[1], got[2] or '', fence, extras
end

local function is_number(text) return not text or tonumber(text) end

local function is_whole(got)
  return got[1] and is_number(got[3]) and is_number(got[5]) and is_number(got[6]) and is_number(got[7])
    and is_number(got[10])
end

-- Look at an id just taken from its line. Say whether it was claimed, and whether it was a task at all.
local function start(id, queue, priority)
  local key = record_key(id)
  local got =
    redis.pcall('HMGET', key, 'n', 'p', 'f', 'o', 'r', 'k', 'm', 'h', 's', 'x', 'l', 'q', 'y')
  if got.err or got[9] or (got[12] or 'default') ~= queue or (got[13] or '0') ~= priority then return false, false end
  if not is_whole(got) then
    local task = look(id)
    if not task and redis.call('EXISTS', key) == 0 then return false, false end
    finish(task or { id = id, key = key, queue = queue, priority = priority }, FAILED, BROKEN)
    return false, true
  end
  if got[10] and tonumber(got[10]) <= now then
    finish(look(id), CANCELLED, EXPIRED)
    return false, true
  end
  if not knows(got[1]) then
    park(id, got[1], key, queue, priority)
    return false, true
  end
  local fence = tonumber(got[3] or 0) + 1
  redis.call('HSET', key, 's', RUNNING, 'w', worker, 'f', fence, 'b', NOW)
  if got[10] then redis.call('ZREM', EXPIRY, id) end
  if got[11] then tell(id, got[11]) end
  answer(id, got, fence)
  claimed[#claimed + 1] = id
  return true, true
end

local function claim_from(queue, priority, looks, stale)
  local line, before = line_key(priority, queue), #claimed
  while #claimed < want and looks > 0 and stale > 0 do
    local ids = redis.call('LPOP', line, math.min(want - #claimed, looks, 5000))
    if not ids then break end
    for _, id in ipairs(ids) do
      local _, real = start(id, queue, priority)
      if real then looks = looks - 1 else stale = stale - 1 end
    end
  end
  local taken = #claimed - before
  if taken > 0 then
    count(priority, queue, -taken)
    count('r', queue, taken)
    groups[#groups + 1] = queue .. ' ' .. priority .. ' ' .. taken
  end
  -- What is left over is for somebody else: pass the bell on.
  if (#claimed >= want or looks <= 0 or stale <= 0) and redis.call('EXISTS', line) == 1 then ring(queue, 1) end
  return looks, stale
end

local function claim_all()
  local looks, stale, empty = want + LOOKS, STALE, true
  for _, queue in ipairs(queues) do
    local lines = {}
    for priority = 9, 0, -1 do lines[#lines + 1] = line_key(priority, queue) end
    if redis.call('EXISTS', unpack(lines)) > 0 then
      for priority = 9, 0, -1 do
        if #claimed < want then looks, stale = claim_from(queue, tostring(priority), looks, stale) end
      end
      if redis.call('EXISTS', unpack(lines)) > 0 then empty = false end
    end
  end
  if #claimed > 0 then in_chunks('SADD', running_key(worker), claimed) end
  return empty
end

-- The last trip's answer was lost: name again what is still held.
local function claim_again(ids)
  for id in string.gmatch(ids, '%S+') do
    local task = look(id)
    if held_by(task, worker) then
      answer(id, redis.call('HMGET', task.key, 'n', 'p', 'f', 'o', 'r', 'k', 'm', 'h'), tonumber(task.fence))
      groups[#groups + 1] = task.queue .. ' ' .. task.priority .. ' 1'
    end
  end
end

if trip == known[1] then
  claim_again(known[3])
else
  settle_all()
  promote(LOOKS)
  write_tails()
  if want > 0 and claim_all() then hush(queues) end
  redis.call('HSET', worker_key(worker), 't', trip, 'a', table.concat(claimed, ' '))
  write_all()
end

local reply = {
  redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2] or '',
  table.concat(refused, ' '),
  table.concat(redis.call('ZRANGE', stops_key(worker), 0, -1), ' '),
  table.concat(groups, ' '),
}
for at = 1, #claims do reply[4 + at] = claims[at] end
return reply
