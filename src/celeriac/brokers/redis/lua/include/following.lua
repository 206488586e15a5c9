-- What the end of a task means for those that wait for it. Needs keys, counts, bells, lines, news, task.
-- Field 'm' of a record is what kind of waiting it is, s(uccess), f(ailure), j(oin) or that it was r(eplaced) by
-- task 'f', and its countdown; 'D' that a failed task was given its result; 'k' is how many of its parents have not succeeded yet; 'b', of a parent, how many dependants may still need its result.
local MANY, waiting = 1000 -- what a step does at most
local waiting_task, release, hear, ended_task, follow
do -- a script can have 200 local names at a time: nobody else needs those that stand in here
local PARENT_REVOKED = '{"type":"celeriac.errors.TaskRevokedError",'
  .. '"message":"a task that it waited for was revoked","args":["a task that it waited for was revoked"]}'
local NOT_NEEDED = '{"type":"celeriac.errors.TaskRevokedError",'
  .. '"message":"it would have run if the task that it waited for had failed",'
  .. '"args":["it would have run if the task that it waited for had failed"]}'

-- The error of a task whose parent has failed: outcome.parent_failed in Lua.
local function parent_failed(parent, body)
  if body == '' then body = '{"type":"builtins.Exception"}' end
  local read, info = pcall(cjson.decode, body)
  if not read or type(info) ~= 'table' or type(info.type) ~= 'string' then info = { type = '' } end
  if type(info.origin) == 'string' then return body end
  local message = type(info.message) == 'string' and info.message or ''
  local said = info.type == '' and 'for an unknown reason' or string.match(info.type, '[^.]*$') .. ': ' .. message
  local text = cjson.encode('task ' .. parent .. ', which it waited for, has failed: ' .. said)
  text = string.gsub(text, '\\/', '/')
  return '{"type":"celeriac.errors.ChordError","message":' .. text .. ',"args":[' .. text .. '],"origin":"'
    .. parent .. '"}'
end

waiting = {} -- by id: tasks that wait, once looked at; false for what does not

function waiting_task(id)
  local task = waiting[id]
  if task == nil then
    task = look(id) or false
    if task and task.state == WAITING then
      task.kind, task.countdown = string.match(task.waits or 's', '^(%a) ?(.*)$')
      local got = call('HMGET', task.key, 'k', 'c', 'f')
      task.open, task.created, task.stands_for = tonumber(got[1]) or 0, got[2], got[3]
    end
    waiting[id] = task
  end
  return task and task.state == WAITING and task
end

local function end_waiting(task, state, body)
  call('HDEL', task.key, 'k')
  finish(task, state, body)
  task.state = state
end

-- Let a task go that waits for nothing more.
function release(task)
  if task.kind == 'j' then return end_waiting(task, SUCCEEDED, '') end
  local eta = call('HGET', task.key, 'a')
  local due = string.format('%.17g', now + (tonumber(task.countdown) or 0))
  if eta and tonumber(eta) > tonumber(due) then due = eta end
  call('HDEL', task.key, 'k')
  leave(task)
  schedule(task, due)
  task.state = false
end

-- Let a task know that one of its parents has ended.
function hear(task, parent)
  if not task or task.state ~= WAITING then return end
  if task.kind == 'r' then -- of what it waited for before it hears again when that is requeued
    return parent.id == task.stands_for and end_waiting(task, parent.state, parent.body)
  end
  if task.kind == 'f' then
    if parent.state == FAILED then return release(task) end
    return end_waiting(task, CANCELLED, NOT_NEEDED)
  end
  if parent.state == SUCCEEDED then
    task.open, task.changed = task.open - 1, true
    if task.open <= 0 then release(task) end
  elseif parent.state == FAILED then
    end_waiting(task, FAILED, parent_failed(parent.id, parent.body))
  else
    end_waiting(task, CANCELLED, PARENT_REVOKED)
  end
end

-- The task that an entry in a parent's list means; nothing for another one that has got its id since.
local function meant(entry)
  local id, created = string.match(entry, '^(%S+) (.*)$')
  local task = waiting_task(id)
  return task and task.created == created and task
end

-- Tell the dependants of a parent from number *from* on, *most* of them; return how many, and whether that were all.
local function tell_dependants(parent, from, most)
  local entries = call('LRANGE', children_key(parent.id), from, from + most)
  local count = math.min(#entries, most)
  for at = 1, count do hear(meant(entries[at]), parent) end
  return count, #entries <= most
end

function ended_task(id)
  local got = try('HMGET', RECORD .. id, 's', 't', 'v')
  if got.err or not is_final(got[1]) then return false end
  return { id = id, state = got[1], body = (got[1] == SUCCEEDED and got[3] or got[2]) or '' }
end

-- Go on where an earlier step has left off; return how many were told.
local function tell_left(limit)
  local told = 0
  while told < limit do
    local left = call('LINDEX', ENDED, 0)
    if not left then break end
    local id, from = string.match(left, '^(%S+) (%d+)$')
    local parent, count, all = ended_task(id), 0, true
    if parent then count, all = tell_dependants(parent, tonumber(from), limit - told) end
    told = told + count
    if not all then
      call('LSET', ENDED, 0, id .. ' ' .. (from + count))
      break
    end
    call('LPOP', ENDED)
  end
  return told
end

local ended_at = 1

local function tell_new(limit)
  local told = 0
  local is_late = #ended > 0 and call('EXISTS', ENDED) == 1
  while ended_at <= #ended do
    local parent = ended[ended_at]
    local count, all = 0, false
    if told < limit and not is_late then count, all = tell_dependants(parent, 0, limit - told) end
    told = told + count
    if not all then
      is_late = true
      call('RPUSH', ENDED, parent.id .. ' ' .. count)
    end
    ended_at = ended_at + 1
  end
  return told
end

-- --- what is needed no more ---

-- A task needs the result of one of its parents no more; *is_dead* when it may be requeued and need it once more.
local function free_parent(id, is_dead)
  local key = RECORD .. id
  local got = try('HMGET', key, 'b', 's', 'm', 'r', 'D')
  if got.err or not got[1] then return end
  if is_dead and not got[5] then call('HSET', key, 'D', '1') end
  if call('HINCRBY', key, 'b', -1) > 0 or not is_final(got[2]) then return end
  is_dead = is_dead or got[5]
  local retention = is_dead and DEAD_RETENTION or retention_of(got[2])
  call('PEXPIRE', key, retention)
  call('PEXPIRE', children_key(id), retention)
  if got[3] and string.sub(got[3], 1, 1) == 'j' and not got[4] then
    call('HSET', key, 'r', '1')
    freed[#freed + 1] = id .. ' 0' .. (is_dead and ' d' or '')
  end
end

-- Free the parents of what has ended, MANY at most; leave the others to a later step.
local function free_parents()
  local left, at = MANY, 1
  if #freed == 0 and call('EXISTS', FREED) == 0 then return end
  for _, entry in ipairs(call('LRANGE', FREED, 0, -1)) do table.insert(freed, 1, entry) end
  call('DEL', FREED)
  while at <= #freed and left > 0 do
    local id, from, ending = string.match(freed[at], '^(%S+) (%d+)(.*)$')
    local ids = call('LRANGE', parents_key(id), from, from + left - 1)
    for _, parent in ipairs(ids) do free_parent(parent, ending == ' d') end
    left = left - #ids
    if left > 0 then
      call('PEXPIRE', parents_key(id), ending ~= '' and DEAD_RETENTION or RETENTION)
      at = at + 1
    else
      freed[at] = id .. ' ' .. (from + #ids) .. ending
    end
  end
  for rest = at, #freed do call('RPUSH', FREED, freed[rest]) end
  freed = {}
end

-- Tell up to *limit* dependants what has become of their parents; return how many.
function follow(limit)
  local told = tell_left(limit)
  told = told + tell_new(limit - told)
  for _, task in pairs(waiting) do
    if task and task.changed and task.state == WAITING then
      call('HSET', task.key, 'k', task.open)
      task.changed = false
    end
  end
  free_parents()
  return told
end
end
