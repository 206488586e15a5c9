-- Accept messages, all or none; those whose id is known change nothing.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards groups: queue, priority, how many messages; per message: id, eta ('' for none), expires
--   ('' for none), how many values follow, and the record's fields and values, name and creation first
-- Reply: how many were new
-- Atomic: all of it; a store that is full, or whose queue is something else, refuses before the first write
-- include: keys
-- include: counts
-- include: bells
-- include: lines
local at, last, new = 5, #ARGV, 0

-- Most often all ids of a group are new, which one command can tell.
local function none_known(from, messages)
  local keys, n = {}, 0
  for _ = 1, messages do
    n = n + 1
    keys[n] = RECORD .. ARGV[from]
    from = from + 4 + ARGV[from + 3]
  end
  local known = 0
  for first = 1, n, 7000 do known = known + call('EXISTS', unpack(keys, first, math.min(first + 6999, n))) end
  return known == 0, keys
end

-- Said again because the first answer was lost: the record that we then wrote counts as new.
local function is_ours(key, from)
  local got = AGAIN and try('HMGET', key, 'n', 'c') or {}
  return got[1] == ARGV[from + 5] and got[2] == ARGV[from + 7]
end

call('HLEN', COUNTS)
while at < last do
  local queue, priority, messages = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  at = at + 3
  local all_new, keys = none_known(at, messages)
  local line, ready, n = line_key(queue, priority), {}, 0
  call('LLEN', line)
  for number = 1, messages do
    local id, eta, expires, values = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    local key = keys[number]
    if all_new or call('EXISTS', key) == 0 then
      new = new + 1
      if eta ~= '' and tonumber(eta) > now then
        call('HSET', key, 's', '1', 'd', eta, unpack(ARGV, at + 4, at + 3 + values))
        await(id, queue, eta)
      else
        call('HSET', key, unpack(ARGV, at + 4, at + 3 + values))
        n = n + 1
        ready[n] = id
      end
      if expires ~= '' then call('ZADD', EXPIRY, expires, id) end
    elseif is_ours(key, at) then
      new = new + 1
    end
    at = at + 4 + values
  end
  if n > 0 then
    in_chunks('RPUSH', line, ready)
    count(priority, queue, n)
    ring(queue, n)
  end
end
write_counts()
write_rings()
return new
