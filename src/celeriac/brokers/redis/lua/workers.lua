-- Name the workers whose lease has not run out.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- Reply: per worker: id, description, when it enlisted, its last heartbeat, how many tasks it holds, its
--   pulse or ''
-- Atomic: all of it; changes nothing
-- include: keys
local reply = {}
for _, worker in ipairs(call('ZRANGEBYSCORE', WORKERS, '(' .. NOW, '+inf')) do
  local known = call('HMGET', worker_key(worker), 'i', 'b', 'e', 'p')
  if known[1] then
    local held = math.max(0, call('HLEN', running_key(worker)) - 1)
    reply[#reply + 1] = { worker, known[1], known[2], known[3], held, known[4] or '' }
  end
end
return reply
