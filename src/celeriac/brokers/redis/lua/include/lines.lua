-- The tails of queues, and due times. Needs keys, counts, bells.
local tails = {}

local function to_tail(id, queue, priority)
  local line = line_key(queue, priority)
  local ids = tails[line]
  if not ids then
    ids = {}
    tails[line] = ids
  end
  ids[#ids + 1] = id
  count(priority, queue, 1)
  ring(queue, 1)
end

local function write_tails()
  for line, ids in pairs(tails) do in_chunks('RPUSH', line, ids) end
  tails = {}
end

-- Note a due time; wake a worker that would sleep past it.
local function await(id, queue, due)
  local first = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2]
  call('ZADD', DUE, due, id)
  count('s', queue, 1)
  if not first or tonumber(due) < tonumber(first) then ring(queue, 1) end
end
