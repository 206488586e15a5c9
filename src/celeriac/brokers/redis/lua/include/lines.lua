-- The tails of queues, and the bells that wake idle workers. Needs keys, counts.
local BELL_TTL = 60000

local tails, rings, early = {}, {}, {}

local function ring(queue, tasks)
  rings[queue] = (rings[queue] or 0) + tasks
end

-- Note a due time; wake a worker that would sleep past it.
local function await(id, queue, due)
  local first = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', DUE, due, id)
  count('s', queue, 1)
  if not first or tonumber(due) < tonumber(first) then
    early[queue] = 1
    ring(queue, 1)
  end
end

-- Nothing waits in these queues: take back the tokens, but those for a new first due time.
local function hush(queues)
  for _, queue in ipairs(queues) do
    redis.call('DEL', bell_key(queue))
    rings[queue] = early[queue]
  end
end

local function to_tail(id, queue, priority)
  local line = line_key(priority, queue)
  local waiting = tails[line]
  if not waiting then
    waiting = {}
    tails[line] = waiting
  end
  waiting[#waiting + 1] = id
  count(priority, queue, 1)
  ring(queue, 1)
end

local function write_tails()
  for line, ids in pairs(tails) do in_chunks('RPUSH', line, ids) end
  tails = {}
end

-- Leave a token for each new task, but never more than there are workers.
local function write_rings()
  local workers
  for queue, tasks in pairs(rings) do
    workers = workers or redis.call('ZCARD', WORKERS)
    local bell = bell_key(queue)
    local missing = math.min(tasks, workers)
    if missing > 0 then missing = missing - redis.call('LLEN', bell) end
    if missing > 0 then
      local tokens = {}
      for at = 1, math.min(missing, 7000) do tokens[at] = '1' end
      redis.call('RPUSH', bell, unpack(tokens))
      redis.call('PEXPIRE', bell, BELL_TTL)
    end
  end
end
