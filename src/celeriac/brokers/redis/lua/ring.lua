-- Pass a ring on: wake another worker for each queue of this one in which tasks wait.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 worker
-- Reply: nothing of interest
-- Atomic: all of it; may be repeated
-- include: keys
-- include: bells
local worker = ARGV[5]
local known = call('HMGET', worker_key(worker), 'q', 'h')
if known[2] then call('HSET', worker_key(worker), 'h', '0') end
for queue in string.gmatch(known[1] or '', '%S+') do
  for priority = 0, 9 do
    if call('EXISTS', line_key(queue, priority)) == 1 then rings[queue] = 1 end
  end
end
write_rings()
return 0
