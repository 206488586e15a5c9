-- Accept messages.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards runs of messages that differ in id, creation and payload only: queue, priority, how many, eta
--   or '', expires or '', how they are limited or '', '1' if they were created apart, '1' if they have payloads, how many values follow,
--   fields and values of the record, creation (if it is the same for all) and name first; then of each message:
--   id, creation if it is its own, payload if there are any
-- Reply: how many were new
-- Atomic: all of it; a store that is full, or whose queue is something else, refuses and is left as it was
-- The usual case: one message, which can start at once, while no worker idles. It comes ahead of the functions
-- that it does not need, keys.lua too, because to define them would take Redis as long again.
if ARGV[7] == '1' and ARGV[8] == '' and ARGV[9] == '' and ARGV[10] == '' and ARGV[11] == '0'
  and #ARGV == 14 + ARGV[12] + ARGV[13] then
  local call, root, queue, last = redis.call, ARGV[1], ARGV[5], 13 + ARGV[13]
  local id, ready = ARGV[last + 1], ARGV[6] .. ':' .. queue
  local record = root .. 't:' .. id
  if call('EXISTS', record, root .. 'h:' .. queue) == 0 then
    call('HINCRBY', KEYS[1], ready, 1)
    local pushed = redis.pcall('RPUSH', root .. 'q:' .. ready, id)
    if type(pushed) == 'table' then
      if call('HINCRBY', KEYS[1], ready, -1) == 0 then call('HDEL', KEYS[1], ready) end
      return pushed
    end
    if ARGV[12] == '1' then
      call('HSET', record, 'p', ARGV[last + 2], unpack(ARGV, 14, last))
    else
      call('HSET', record, unpack(ARGV, 14, last))
    end
    return 1
  end
end

-- include: keys
-- include: counts
-- include: bells
-- include: lines
-- include: lanes
-- include: messages
local sent = send_runs(5)
write_lanes()
write_counts()
write_rings()
return sent
