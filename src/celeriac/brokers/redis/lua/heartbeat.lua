-- Renew leases.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards per worker: its id, its pulse or '', the number of the last command that it has heard
-- Reply: the server's time, as TIME gives it; per worker nothing when it is unknown, else its stops and since when,
--   alternating; and the commands that it has not heard: "number verb task"
-- Atomic: all of it; may be repeated
-- include: keys
-- include: full
local reply = { call('TIME') }

-- Drop the commands that a worker has heard; return the others.
local function commands_of(worker, heard)
  local key = commands_key(worker)
  while tonumber(string.match(call('LINDEX', key, 0) or '', '^%d+') or heard + 1) <= heard do call('LPOP', key) end
  return call('LRANGE', key, 0, -1)
end

begin_to_write()
for at = 5, #ARGV, 3 do
  local worker, pulse = ARGV[at], ARGV[at + 1]
  local lease = call('HGET', worker_key(worker), 'l')
  if lease then
    local ends = now + tonumber(lease)
    if ends > tonumber(call('ZSCORE', WORKERS, worker) or 0) then  -- a late copy of an older one shortens none
      call('ZADD', WORKERS, string.format('%.17g', ends), worker)
      call('HSET', worker_key(worker), 'e', NOW)
    end
    if pulse ~= '' then call('HSET', worker_key(worker), 'p', pulse) end
    local stops = call('ZRANGE', stops_key(worker), 0, -1, 'WITHSCORES')
    reply[#reply + 1] = { stops, commands_of(worker, tonumber(ARGV[at + 2])) }
  else
    reply[#reply + 1] = false
  end
end
return reply
