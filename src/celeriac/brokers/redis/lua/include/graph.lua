-- Accepting messages of which some wait for others, as send_graph.lua describes them. Needs keys, counts, bells,
-- lines, news, task, following, marks, messages.
local older_from, first, runs


local unknown, is_unknown = {}, false

local function each_that_waits(work)
  local at = first
  while at < runs do
    local many = tonumber(ARGV[at + 1])
    work(ARGV[at], at + 2, at + 1 + many)
    at = at + 2 + many
  end
end

local missing

local function check(id, from, to)
  if call('EXISTS', RECORD .. id) == 1 then return end -- it is known, and stays as it is
  for at = from, to do
    if unknown[ARGV[at]] then missing = missing or ARGV[at] end
  end
end

-- Keep for whom a task waits.
local function link(id, from, to)
  if fresh[id] ~= 'waits' then return end
  local entry = id .. ' ' .. (call('HGET', RECORD .. id, 'c') or '')
  call('HSET', RECORD .. id, 'k', to - from + 1)
  for at = from, to, 7000 do
    call('RPUSH', parents_key(id), unpack(ARGV, at, math.min(at + 6999, to)))
  end
  for at = from, to do
    call('RPUSH', children_key(ARGV[at]), entry)
    call('HINCRBY', RECORD .. ARGV[at], 'b', 1)
  end
end

local left = {} -- parents that have ended, but not all who wait for them know it yet
local older_parents = {} -- by id: what has become of those that were there before; false while they are open

local function ended_before(id)
  if fresh[id] or left[id] then return false end
  if older_parents[id] == nil then
    local got = call('HMGET', RECORD .. id, 's', 'w')
    if got[1] == RUNNING then mark(id, got[2]) end
    older_parents[id] = ended_task(id)
    if older_parents[id] then call('PERSIST', RECORD .. id) end -- as long as its result is needed
  end
  return older_parents[id]
end

-- Let a new task know of what had ended before it came.
local function hear_of_parents(id, from, to)
  if fresh[id] ~= 'waits' then return end
  if from > to then release(waiting_task(id)) end
  for at = from, to do
    local parent = ended_before(ARGV[at])
    if parent then hear(waiting_task(id), parent) end
  end
end

-- Accept what is described from *at* on, to *last* or to the end; return how many were new, or the first id that nobody knows.
local function send_graph(at, last)
  older_from, runs = at + 2, tonumber(ARGV[at + 1])
  first = older_from + tonumber(ARGV[at])
  for older = older_from, first - 1 do
    if call('EXISTS', RECORD .. ARGV[older]) == 0 then
      unknown[ARGV[older]] = true
      is_unknown = true
    end
  end
  if is_unknown then each_that_waits(check) end
  if missing then return missing end
  fresh = {}
  local sent = send_runs(runs, last)
  for _, entry in ipairs(call('LRANGE', ENDED, 0, -1)) do left[string.match(entry, '^%S+')] = true end
  each_that_waits(link)
  each_that_waits(hear_of_parents)
  return sent
end

-- Let a task that waits already wait for more.
local function wait_for_more(task, parents)
  local entry = task.id .. ' ' .. (call('HGET', task.key, 'c') or '')
  for _, parent in ipairs(parents) do
    call('RPUSH', parents_key(task.id), parent)
    call('RPUSH', children_key(parent), entry)
    call('HINCRBY', RECORD .. parent, 'b', 1)
  end
  waiting[task.id] = nil
  for _, parent in ipairs(parents) do
    local ended_one = ended_task(parent)
    if ended_one and not left[parent] then hear(waiting_task(task.id), ended_one) end
  end
end
