-- Accept messages, all or none; those whose id is known change nothing.
-- KEYS, ARGV 1 to 3: include/keys.lua
-- ARGV: 4 how many groups; per group: queue, priority, how many messages; per message: id, eta ('' for
--   none), expires ('' for none), how many values follow, and the record's fields and values
-- Reply: how many were new
-- Atomic: all of it; running out of memory is noticed before the first write
-- include: keys
-- include: counts
-- include: lines
local groups, at, new = tonumber(ARGV[4]), 5, 0

for _ = 1, groups do
  local queue, priority, messages = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  at = at + 3
  for _ = 1, messages do
    local id, eta, expires, values = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
    local key = record_key(id)
    if redis.call('EXISTS', key) == 0 then
      new = new + 1
      if eta ~= '' and tonumber(eta) > now then
        redis.call('HSET', key, 's', '1', 'd', eta, unpack(ARGV, at + 4, at + 3 + values))
        await(id, queue, eta)
      else
        redis.call('HSET', key, unpack(ARGV, at + 4, at + 3 + values))
        to_tail(id, queue, priority)
      end
      if expires ~= '' then redis.call('ZADD', EXPIRY, expires, id) end
    end
    at = at + 4 + values
  end
end
write_tails()
write_counts()
write_rings()
return new
