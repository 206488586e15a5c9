-- A worker's exchange has to look at the record of a marked task when it ends. Needs keys.

local function mark(id, worker)
  local running = running_key(worker or '')
  local entry = call('HGET', running, id)
  if entry and string.sub(entry, -1) ~= '!' then call('HSET', running, id, entry .. ' !') end
end
