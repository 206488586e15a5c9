-- Let a queue be claimed from again, and wake idle workers for what waits there.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 queue
-- Reply: 1 if it was paused
-- Atomic: all of it; may be repeated
-- include: keys
-- include: bells
local queue = ARGV[5]
local was_paused = call('SREM', PAUSED, queue)

-- Those that were hungry meanwhile.
for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
  local known = call('HMGET', worker_key(worker), 'q', 'h', 'j')
  if known[2] == '1' and known[3] and string.find(' ' .. (known[1] or '') .. ' ', ' ' .. queue .. ' ', 1, true) then
    call('SADD', hungry_key(queue), worker)
  end
end
for priority = 0, 9 do ring(queue, call('LLEN', line_key(queue, priority))) end
ring(queue, call('SCARD', unknown_key(queue)))
write_rings()
return AGAIN and 1 or was_paused
