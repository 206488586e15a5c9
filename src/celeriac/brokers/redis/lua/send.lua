-- Accept messages.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards runs of messages that differ in id and payload only: queue, priority, how many, eta or '',
--   expires or '', '1' if they have payloads, how many values follow, fields and values of the record with name
--   and creation first; then of each message: id, and payload if they have any
-- Reply: how many were new
-- Atomic: all of it; a store that is full, or whose queue is something else, refuses and is left as it was
-- The usual case: one message, which can start at once, while no worker idles. It comes ahead of the functions
-- that it does not need, keys.lua too, because to define them would take Redis as long again.
if ARGV[7] == '1' and ARGV[8] == '' and ARGV[9] == '' and #ARGV == 12 + ARGV[10] + ARGV[11] then
  local call, root, queue, last = redis.call, ARGV[1], ARGV[5], 11 + ARGV[11]
  local id, ready = ARGV[last + 1], ARGV[6] .. ':' .. queue
  local record = root .. 't:' .. id
  if call('EXISTS', record, root .. 'h:' .. queue) == 0 then
    call('HINCRBY', KEYS[1], ready, 1)
    local pushed = redis.pcall('RPUSH', root .. 'q:' .. ready, id)
    if type(pushed) == 'table' then
      if call('HINCRBY', KEYS[1], ready, -1) == 0 then call('HDEL', KEYS[1], ready) end
      return pushed
    end
    if ARGV[10] == '1' then
      call('HSET', record, 'p', ARGV[last + 2], unpack(ARGV, 12, last))
    else
      call('HSET', record, unpack(ARGV, 12, last))
    end
    return 1
  end
end

-- include: keys
-- include: counts
-- include: bells
-- include: lines
local queue, priority, last, new = ARGV[5], ARGV[6], #ARGV, 0

-- Most often all ids of a run are new, which one command can tell.
local function none_known(from, messages, step)
  local keys, n = {}, 0
  for at = from, from + (messages - 1) * step, step do
    n = n + 1
    keys[n] = RECORD .. ARGV[at]
  end
  local known = 0
  for first = 1, n, 7000 do known = known + call('EXISTS', unpack(keys, first, math.min(first + 6999, n))) end
  return known == 0, keys
end

-- Said again because the first answer was lost: the record that we then wrote counts as new.
local function is_ours(key, name, created)
  local got = AGAIN and try('HMGET', key, 'n', 'c') or {}
  return got[1] == name and got[2] == created
end

local ready = {} -- by line: the ids for its tail

local function tail_of(line)
  local ids = ready[line]
  if not ids then
    call('LLEN', line)
    ids = {}
    ready[line] = ids
  end
  return ids
end

local function send_run(at, messages)
  local eta, expires, payloads, values = ARGV[at], ARGV[at + 1], ARGV[at + 2] == '1', tonumber(ARGV[at + 3])
  local first, step = at + 4, payloads and 2 or 1
  local from, final = first + values, first + values - 1
  local name, created = ARGV[first + 1], ARGV[first + 3]
  local all_new, keys = none_known(from, messages, step)
  local waits = eta ~= '' and tonumber(eta) > now
  local tail = tail_of(line_key(queue, priority))
  local before = #tail
  for number = 1, messages do
    local id, key = ARGV[from + (number - 1) * step], keys[number]
    if all_new or call('EXISTS', key) == 0 then
      new = new + 1
      if payloads then
        call('HSET', key, 'p', ARGV[from + number * step - 1], unpack(ARGV, first, final))
      else
        call('HSET', key, unpack(ARGV, first, final))
      end
      if waits then
        call('HSET', key, 's', '1', 'd', eta)
        await(id, queue, eta)
      else
        tail[#tail + 1] = id
      end
      if expires ~= '' then call('ZADD', EXPIRY, expires, id) end
    elseif is_ours(key, name, created) then
      new = new + 1
    end
  end
  if #tail > before then
    count(priority, queue, #tail - before)
    ring(queue, #tail - before)
  end
  return from + messages * step
end

call('HLEN', COUNTS)
local at = 5
while at < last do
  queue, priority = ARGV[at], ARGV[at + 1]
  at = send_run(at + 3, tonumber(ARGV[at + 2]))
end
for line, ids in pairs(ready) do in_chunks('RPUSH', line, ids) end
write_counts()
write_rings()
return new
