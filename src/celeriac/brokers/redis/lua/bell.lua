-- Note that a worker can be rung.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 worker
-- Reply: nothing of interest
-- Atomic: all of it; may be repeated
-- include: keys
local worker = ARGV[5]
local known = call('HMGET', worker_key(worker), 'q', 'h')
if known[1] then call('HSET', worker_key(worker), 'j', '1') end
if known[2] == '1' then
  for queue in string.gmatch(known[1], '%S+') do call('SADD', hungry_key(queue), worker) end
end
return 0
