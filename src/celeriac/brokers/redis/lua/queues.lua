-- Say what waits and what runs.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: nothing more
-- Reply: fields and values of the counts; the paused queues; of each line: its queue, when its first one was sent
-- Atomic: all of it; changes nothing
-- include: keys
local LOOKS = 100 -- those that are queued there no more may still stand at the head

local function first_sent(line)
  for _, id in ipairs(call('LRANGE', line, 0, LOOKS - 1)) do
    local got = try('HMGET', RECORD .. id, 'c', 's')
    if not got.err and got[1] and not got[2] then return got[1] end
  end
end

local counts, firsts = call('HGETALL', COUNTS), {}
for at = 1, #counts, 2 do
  local priority, queue = string.match(counts[at], '^(%d):(.*)$')
  local sent = priority and first_sent(line_key(queue, priority))
  if sent then firsts[#firsts + 1] = { queue, sent } end
end
return { counts, call('SMEMBERS', PAUSED), firsts }
