-- Renew leases.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards workers
-- Reply: the server's time, as TIME gives it; per worker nothing when it is unknown, else its stops and since when, alternating
-- Atomic: all of it; may be repeated
-- include: keys
local reply = { call('TIME') }
for at = 5, #ARGV do
  local worker = ARGV[at]
  local lease = call('HGET', worker_key(worker), 'l')
  if lease then
    local ends = now + tonumber(lease)
    if ends > tonumber(call('ZSCORE', WORKERS, worker) or 0) then  -- a late copy of an older one shortens none
      call('ZADD', WORKERS, string.format('%.17g', ends), worker)
      call('HSET', worker_key(worker), 'e', NOW)
    end
    reply[#reply + 1] = call('ZRANGE', stops_key(worker), 0, -1, 'WITHSCORES')
  else
    reply[#reply + 1] = false
  end
end
return reply
