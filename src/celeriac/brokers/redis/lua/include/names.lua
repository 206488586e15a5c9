-- Unique names: who has one. Needs keys, task.
-- A name is a string: id, since when, for how many seconds or '-', '1' for as long as there is a record.

-- Say whether it is too late for a task to start. One that others stand for has started.
local function is_late(task)
  return task.state ~= RUNNING and task.expires and tonumber(task.expires) <= now and string.sub(task.waits or '', 1, 1) ~= 'r'
end

-- Who has a name now; nil when it is free.
local function holder_of(name)
  local kept = call('GET', unique_key(name))
  if not kept then return nil end
  local id, since, seconds, until_gone = string.match(kept, '^(%S+) (%S+) (%S+) (%d)$')
  if seconds ~= '-' then return now < tonumber(since) + tonumber(seconds) and id or nil end
  local task = look(id)
  if not task or task.unique ~= name then return nil end
  if until_gone == '1' or not (is_final(task.state) or is_late(task)) then return id end
end
