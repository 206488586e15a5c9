-- A task's record and its moves. Needs keys, counts, lines, news.
-- The fields of a record are listed in wire.py. States: absent is queued, 'p' queued and parked, else the
-- number of states.State.
local SCHEDULED, RUNNING, SUCCEEDED, FAILED, CANCELLED, PARKED_STATE = '1', '3', '4', '5', '6', 'p'

-- Read a record; nil when there is none, or something else is stored under its key.
local function look(id)
  local key = record_key(id)
  local got = redis.pcall('HMGET', key, 'n', 's', 'q', 'y', 'f', 'w', 'x', 'l', 'z', 'k', 'm', 'r')
  if got.err or not (got[1] or got[2]) then return nil end
  return {
    id = id, key = key, name = got[1] or '', state = got[2], queue = got[3] or 'default', priority = got[4] or '0',
    fence = got[5], worker = got[6], expires = got[7], listeners = got[8], cancelled = got[9],
    crashes = tonumber(got[10] or 0) or 0, limit = tonumber(got[11] or 3) or 3, retries = got[12],
  }
end

local function held_by(task, worker, fence)
  return task and task.state == RUNNING and task.worker == worker and (not fence or task.fence == fence)
end

local function is_final(task)
  return task.state == SUCCEEDED or task.state == FAILED or task.state == CANCELLED
end

local function tell_of(task)
  if task.listeners then tell(task.id, task.listeners) end
end

-- Take a task out of whatever holds it. Its id stays in its line, where a claim skips it.
local function leave(task)
  if not task.state then
    count(task.priority, task.queue, -1)
  elseif task.state == SCHEDULED then
    redis.call('ZREM', DUE, task.id)
    count('s', task.queue, -1)
  elseif task.state == PARKED_STATE then
    local parked = parked_key(task.name)
    redis.call('LREM', parked, 1, task.id)
    if redis.call('EXISTS', parked) == 0 then redis.call('SREM', PARKED, task.name) end
    count('p', task.queue, -1)
  elseif task.state == RUNNING then
    redis.call('SREM', running_key(task.worker), task.id)
    redis.call('ZREM', stops_key(task.worker), task.id)
    count('r', task.queue, -1)
  end
  if task.expires and task.state ~= RUNNING then redis.call('ZREM', EXPIRY, task.id) end
end

local function finish(task, state, body)
  leave(task)
  local field, useless = 't', {}
  if state == SUCCEEDED then field = 'v' end
  if body == '' then
    redis.call('HSET', task.key, 's', state, 'e', NOW)
  else
    redis.call('HSET', task.key, 's', state, 'e', NOW, field, body)
  end
  if task.state == SCHEDULED then useless[#useless + 1] = 'd' end
  if task.listeners then useless[#useless + 1] = 'l' end
  if task.retries and (field == 'v' or body == '') then useless[#useless + 1] = 't' end
  if #useless > 0 then redis.call('HDEL', task.key, unpack(useless)) end
  redis.call('PEXPIRE', task.key, RETENTION)
  tell_of(task)
end

-- Make a task queued that has left where it was; its id still has to go into its line.
local function make_ready(task)
  redis.call('HDEL', task.key, 's', 'd')
  if task.expires then redis.call('ZADD', EXPIRY, task.expires, task.id) end
end

local function enqueue(task)
  make_ready(task)
  to_tail(task.id, task.queue, task.priority)
end

-- Put tasks that have left where they were at the heads of their lines, in this order.
local function to_heads(tasks)
  local heads = {}
  for at = #tasks, 1, -1 do
    local task = tasks[at]
    local line = line_key(task.priority, task.queue)
    heads[line] = heads[line] or {}
    table.insert(heads[line], task.id)
    make_ready(task)
    count(task.priority, task.queue, 1)
    ring(task.queue, 1)
  end
  for line, ids in pairs(heads) do in_chunks('LPUSH', line, ids) end
end

-- Schedule a task that has left where it was, or queue it at the tail when its time has come.
local function schedule(task, due)
  if tonumber(due) <= now then return enqueue(task) end
  redis.call('HSET', task.key, 's', SCHEDULED, 'd', due)
  if task.expires then redis.call('ZADD', EXPIRY, task.expires, task.id) end
  await(task.id, task.queue, due)
end

-- Count a crash of a running task; say whether it goes to the head of its line.
local function crash(task, body, revoked)
  if task.cancelled then
    finish(task, CANCELLED, revoked)
    return false
  end
  redis.call('HSET', task.key, 'k', task.crashes + 1)
  if task.crashes + 1 > task.limit then
    finish(task, FAILED, body)
    return false
  end
  leave(task)
  tell_of(task)
  return true
end

-- Queue the tasks whose time has come, by due time and then id; return how many.
local function promote(limit)
  local ids = redis.call('ZRANGEBYSCORE', DUE, '-inf', NOW, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    local task = look(id)
    redis.call('ZREM', DUE, id)
    if task and task.state == SCHEDULED then
      count('s', task.queue, -1)
      enqueue(task)
    end
  end
  return #ids
end

local function write_all()
  write_tails()
  write_counts()
  write_rings()
  write_news()
end
