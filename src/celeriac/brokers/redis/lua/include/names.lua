-- Unique names: who has one. Needs keys, task.
-- A name is a string: id, since when, for how many seconds or '-', '1' for as long as there is a record.

-- Who has a name now; nil when it is free.
local function holder_of(name)
  local kept = call('GET', unique_key(name))
  if not kept then return nil end
  local id, since, seconds, until_gone = string.match(kept, '^(%S+) (%S+) (%S+) (%d)$')
  if seconds ~= '-' then return now < tonumber(since) + tonumber(seconds) and id or nil end
  local task = look(id)
  if task and task.unique == name and (until_gone == '1' or not is_final(task.state)) then return id end
end
