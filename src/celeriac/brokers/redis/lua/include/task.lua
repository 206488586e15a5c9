-- A task's record and its moves. Needs keys, counts, bells, lines, lanes, news, dead, ends, logs.
-- The fields of a record are listed in wire.py. States: absent is queued, 'p' queued and parked, else the
-- number of states.State.
local WAITING = '0'
local SCHEDULED, RUNNING, SUCCEEDED, FAILED, CANCELLED, WAITS = '1', '3', '4', '5', '6', 'p'

-- Field 'q' is the queue, or the queue and the priority.
local function place_of(field)
  if not field then return 'default', '0' end
  local queue, priority = string.match(field, '^(%S+) (%d)$')
  return queue or field, priority or '0'
end

-- Field 'g' is how many retries, crashes and crashes allowed.
local function tally_of(field)
  local retries, crashes, limit = string.match(field or '', '^(%d+) (%d+) (%d+)$')
  return tonumber(retries or 0), tonumber(crashes or 0), tonumber(limit or 3)
end

-- Field 'j' is the last claim: fence and when.
local function fence_of(field) return string.match(field or '', '^%d+') end

-- Read a record; nil when there is none, or something else is stored under its key.
local function look(id)
  local key = RECORD .. id
  local got = try('HMGET', key, 'n', 's', 'q', 'j', 'w', 'x', 'l', 'g', 'z', 'b', 'm', 'L', 'X', 'O')
  if not (got[1] or got[2]) then return nil end
  local queue, priority = place_of(got[3])
  return {
    id = id, key = key, name = got[1] or '', state = got[2], queue = queue, priority = priority,
    fence = fence_of(got[4]), claim = got[4], worker = got[5], expires = got[6], listeners = got[7], tally = got[8],
    cancelled = got[9], needed = got[10], waits = got[11], lane = got[12], unique = got[13], log = got[14],
  }
end

local function held_by(task, worker)
  return task and task.state == RUNNING and task.worker == worker
end

local function is_final(state)
  return state == SUCCEEDED or state == FAILED or state == CANCELLED
end

local function tell_of(task)
  if task.listeners then tell(task.id, task.listeners) end
end

-- Take an id out of its line. A long line is not searched: a claim skips the id when it gets there.
local SHORT = 1000

local function leave_line(task)
  local line = line_key(task.queue, task.priority)
  if call('LLEN', line) <= SHORT then call('LREM', line, 1, task.id) end
end

-- Forget that tasks of this name are parked in this queue when none is any more.
local function strike_parked(queue, name)
  if call('EXISTS', parked_key(queue, name)) == 1 then return end
  call('SREM', unknown_key(queue), name)
  if call('EXISTS', unknown_key(queue)) == 0 then call('SREM', PARKED, queue) end
end

-- Of the names whose tasks are parked in a queue those that a worker knows, sorted.
local function parked_names(worker, queue)
  local found = call('SINTER', names_key(worker), unknown_key(queue))
  table.sort(found, before)
  return found
end

-- Take a task out of whatever holds it; but from what its worker runs the caller takes it. *taken* is true
-- when its id was taken from its line before.
local function leave(task, taken)
  local state = task.state
  if state == RUNNING then
    if task.lane then lane_stop(task.lane) end
    return count('r', task.queue, -1)
  end
  if not state then
    if not taken then leave_line(task) end
    count(task.priority, task.queue, -1)
    if task.lane then lane_leave(task.lane, task.queue, task.priority) end
  elseif state == HELD then
    leave_held(task.id, task.lane, task.queue, task.priority, taken)
  elseif state == SCHEDULED then
    call('ZREM', DUE, task.id)
    count('s', task.queue, -1)
  elseif state == WAITS then
    call('LREM', parked_key(task.queue, task.name), 1, task.id)
    strike_parked(task.queue, task.name)
    count('p', task.queue, -1)
    if task.lane then lane_leave(task.lane, task.queue, task.priority) end
  elseif state == WAITING then
    call('ZREM', INDEX.waiting, task.id)
    count('w', task.queue, -1)
  end
  if task.expires then call('ZREM', EXPIRY, task.id) end
end

local ended, freed = {}, {} -- for following.lua: what somebody may wait for, what has waited

local function retention_of(state) return state == FAILED and DEAD_RETENTION or RETENTION end

-- Keep a record that somebody waits for, who is told later; let others end by themselves. Say which it was.
local function keep_or_let_go(id, key, state, body, needed)
  if needed and tonumber(needed) > 0 then
    ended[#ended + 1] = { id = id, state = state, body = body }
    return true
  end
  call('PEXPIRE', key, retention_of(state))
  if needed then call('PEXPIRE', children_key(id), retention_of(state)) end
  return false
end

-- How an entry of `freed` ends: 'd' where the task may be requeued and given its inputs again, 'f' where it has failed
-- otherwise.
local function kind_of_end(state, waits, has_run)
  if state ~= FAILED then return '' end
  return has_run and string.sub(waits, 1, 1) ~= 'r' and ' d' or ' f'
end

-- Write a final state. *tally* to *waits* are fields, to see whether there is anything to clear or to follow.
local function conclude(id, key, state, body, tally, listeners, needed, waits, has_run)
  if body == '' then
    call('HSET', key, 's', state, 'e', NOW)
  else
    call('HSET', key, 's', state, 'e', NOW, state == SUCCEEDED and 'v' or 't', body)
  end
  if tally and (state == SUCCEEDED or body == '') then call('HDEL', key, 't') end -- an earlier run's error
  if state == FAILED then note_dead(id) end
  endings.note(id, state)
  if listeners then
    call('HDEL', key, 'l')
    tell(id, listeners)
  end
  local is_needed, is_join = keep_or_let_go(id, key, state, body, needed), waits and string.sub(waits, 1, 1) == 'j'
  if waits and not (is_needed and is_join) then
    if is_join then call('HSET', key, 'r', '1') end -- once only: others may come to wait for it later
    freed[#freed + 1] = id .. ' 0' .. kind_of_end(state, waits, has_run)
  end
end

-- A name that a task had until it ended is kept no longer than its record.
local function let_go_of_name(task, state)
  local key = unique_key(task.unique)
  local kept = call('GET', key)
  if kept and string.match(kept, '^%S+') == task.id and string.match(kept, ' (%S+) %d$') == '-' then
    call('PEXPIRE', key, retention_of(state))
  end
end

local function finish(task, state, body, taken)
  leave(task, taken)
  if task.log then each_log(task.id, task.log, function(key) call('PEXPIRE', key, retention_of(state)) end) end
  if task.unique then let_go_of_name(task, state) end
  if task.state == SCHEDULED then call('HDEL', task.key, 'd') end
  conclude(task.id, task.key, state, body, task.tally, task.listeners, task.needed, task.waits, task.fence)
end

-- Make a task queued that has left where it was; its id still has to go into its line.
local function make_ready(task)
  call('HDEL', task.key, 's', 'd')
  if task.expires then call('ZADD', EXPIRY, task.expires, task.id) end
end

local function enqueue(task)
  make_ready(task)
  if not task.lane or lane_enter(task.id, task.lane, task.queue, task.priority) then
    to_tail(task.id, task.queue, task.priority)
  end
end

-- Put tasks that were made ready at the heads of their lines, in this order. Of a lane's first one, *is_first* is true.
local function to_heads(tasks)
  local heads = {}
  for at = #tasks, 1, -1 do
    local task = tasks[at]
    if not task.lane or task.is_first or lane_enter(task.id, task.lane, task.queue, task.priority, true) then
      local line = line_key(task.queue, task.priority)
      heads[line] = heads[line] or {}
      table.insert(heads[line], task.id)
      count(task.priority, task.queue, 1)
      ring(task.queue, 1)
    end
  end
  for line, ids in pairs(heads) do in_chunks('LPUSH', line, ids) end
end

-- Schedule a task that has left where it was, or queue it at the tail when its time has come.
local function schedule(task, due)
  if tonumber(due) <= now then return enqueue(task) end
  call('HSET', task.key, 's', SCHEDULED, 'd', due)
  if task.expires then call('ZADD', EXPIRY, task.expires, task.id) end
  await(task.id, task.queue, due)
end

-- Keep how a run ended that is not the last one: see `attempts.py` and wire.py. A field that cannot be read begins anew.
local function keep_attempt(task, verdict, error, ended)
  local kept, starts, at = call('HGET', task.key, 'A') or '', {}, 1
  while at <= #kept do
    local _, stop, size = string.find(kept, '^[^\n]* (%d+)\n', at)
    if not stop then
      kept, starts = '', {}
      break
    end
    starts[#starts + 1] = at
    at = stop + 1 + tonumber(size)
  end
  if #starts >= 20 then kept = string.sub(kept, starts[#starts - 18]) end
  if #error > 16384 then error = '' end
  local line = table.concat({ task.claim or '0 0', ended, verdict, task.worker or '', #error }, ' ')
  call('HSET', task.key, 'A', kept .. line .. '\n' .. error)
end

-- Count a crash of a running task; say whether it goes to the head of its line.
local function crash(task, body, revoked)
  if task.cancelled then
    finish(task, CANCELLED, revoked)
    return false
  end
  local retries, crashes, limit = tally_of(task.tally)
  call('HSET', task.key, 'g', string.format('%d %d %d', retries, crashes + 1, limit))
  if crashes + 1 > limit then
    finish(task, FAILED, body)
    return false
  end
  keep_attempt(task, '6', body, NOW)
  leave(task)
  make_ready(task)
  tell_of(task)
  return true
end

-- Queue the tasks whose time has come, by due time and then id; return how many.
local function promote(limit)
  local ids = call('ZRANGEBYSCORE', DUE, '-inf', NOW, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    local task = look(id)
    call('ZREM', DUE, id)
    if task and task.state == SCHEDULED then
      count('s', task.queue, -1)
      enqueue(task)
    end
  end
  return #ids
end

local function write_all()
  write_lanes()
  write_tails()
  endings.write()
  write_counts()
  write_rings()
  write_news()
end
