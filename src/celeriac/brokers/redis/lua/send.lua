-- Accept messages.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards runs of messages that differ in id and payload only: queue, priority, how many, eta or '',
--   expires or '', '1' if they have payloads, how many values follow, fields and values of the record with name
--   and creation first; then of each message: id, and payload if they have any
-- Reply: how many were new
-- Atomic: all of it; a store that is full, or whose queue is something else, refuses and is left as it was
-- include: keys
local queue, priority, last, new = ARGV[5], ARGV[6], #ARGV, 0

-- The usual case, ahead of the functions that it does not need because to define them takes Redis as long again:
-- one message, which can start at once, while no worker idles.
local function send_one()
  local payloads, values = ARGV[10] == '1', tonumber(ARGV[11])
  if last ~= 12 + values + (payloads and 1 or 0) then return nil end
  local id, line, ready = ARGV[12 + values], line_key(queue, priority), priority .. ':' .. queue
  if call('EXISTS', RECORD .. id, hungry_key(queue)) > 0 then return nil end
  call('HINCRBY', COUNTS, ready, 1)
  local pushed = try('RPUSH', line, id)
  if type(pushed) == 'table' then
    if call('HINCRBY', COUNTS, ready, -1) == 0 then call('HDEL', COUNTS, ready) end
    return pushed
  end
  if payloads then
    call('HSET', RECORD .. id, 'p', ARGV[last], unpack(ARGV, 12, 11 + values))
  else
    call('HSET', RECORD .. id, unpack(ARGV, 12, 11 + values))
  end
  return 1
end

if ARGV[7] == '1' and ARGV[8] == '' and ARGV[9] == '' then
  local sent = send_one()
  if sent then return sent end
end

-- include: counts
-- include: bells
-- include: lines

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
