-- Accept messages.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards runs of messages that differ in id, creation and payload only: queue, priority, how many, eta
--   or '', expires or '', '1' if they were created apart, '1' if they have payloads, how many values follow,
--   fields and values of the record, creation (if it is the same for all) and name first; then of each message:
--   id, creation if it is its own, payload if there are any
-- Reply: how many were new
-- Atomic: all of it; a store that is full, or whose queue is something else, refuses and is left as it was
-- The usual case: one message, which can start at once, while no worker idles. It comes ahead of the functions
-- that it does not need, keys.lua too, because to define them would take Redis as long again.
if ARGV[7] == '1' and ARGV[8] == '' and ARGV[9] == '' and ARGV[10] == '0'
  and #ARGV == 13 + ARGV[11] + ARGV[12] then
  local call, root, queue, last = redis.call, ARGV[1], ARGV[5], 12 + ARGV[12]
  local id, ready = ARGV[last + 1], ARGV[6] .. ':' .. queue
  local record = root .. 't:' .. id
  if call('EXISTS', record, root .. 'h:' .. queue) == 0 then
    call('HINCRBY', KEYS[1], ready, 1)
    local pushed = redis.pcall('RPUSH', root .. 'q:' .. ready, id)
    if type(pushed) == 'table' then
      if call('HINCRBY', KEYS[1], ready, -1) == 0 then call('HDEL', KEYS[1], ready) end
      return pushed
    end
    if ARGV[11] == '1' then
      call('HSET', record, 'p', ARGV[last + 2], unpack(ARGV, 13, last))
    else
      call('HSET', record, unpack(ARGV, 13, last))
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

-- Write the record of the message at *at*: what it has for itself, and what its run has in common.
local function write_record(key, at, apart, payloads, first, final)
  if not apart and not payloads then
    call('HSET', key, unpack(ARGV, first, final))
  elseif not payloads then
    call('HSET', key, 'c', ARGV[at + 1], unpack(ARGV, first, final))
  elseif not apart then
    call('HSET', key, 'p', ARGV[at + 1], unpack(ARGV, first, final))
  else
    call('HSET', key, 'c', ARGV[at + 1], 'p', ARGV[at + 2], unpack(ARGV, first, final))
  end
end

local function send_run(at, messages)
  local eta, expires, apart, payloads = ARGV[at], ARGV[at + 1], ARGV[at + 2] == '1', ARGV[at + 3] == '1'
  local first, step = at + 5, 1 + ARGV[at + 2] + ARGV[at + 3]
  local from = first + ARGV[at + 4]
  local name = ARGV[first + (apart and 1 or 3)]
  local all_new, keys = none_known(from, messages, step)
  local waits = eta ~= '' and tonumber(eta) > now
  local tail = tail_of(line_key(queue, priority))
  local before = #tail
  for number = 1, messages do
    local here, key = from + (number - 1) * step, keys[number]
    if all_new or call('EXISTS', key) == 0 then
      new = new + 1
      write_record(key, here, apart, payloads, first, from - 1)
      if waits then
        call('HSET', key, 's', '1', 'd', eta)
        await(ARGV[here], queue, eta)
      else
        tail[#tail + 1] = ARGV[here]
      end
      if expires ~= '' then call('ZADD', EXPIRY, expires, ARGV[here]) end
    elseif is_ours(key, name, apart and ARGV[here + 1] or ARGV[first + 1]) then
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
