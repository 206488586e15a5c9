-- Read records, and let a listener hear of the later changes of those that are not final.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 listener, 6 onwards ids
-- Reply: per id the record's fields and values, alternating; nothing for none
-- Atomic: all of it; may be repeated
-- include: keys
-- include: marks
-- include: full
local MOST = 16 -- listeners of one task; the oldest is dropped for another
local listener, reply = ARGV[5], {}

local function with_us(listeners)
  local others = { listener }
  for other in string.gmatch(listeners or '', '%S+') do
    if other ~= listener and #others < MOST then others[#others + 1] = other end
  end
  return table.concat(others, ' ')
end

for at = 6, #ARGV do
  local key = RECORD .. ARGV[at]
  local got = try('HMGET', key, 'n', 's', 'l', 'w')
  if not got.err and got[1] and not (got[2] == '4' or got[2] == '5' or got[2] == '6') then
    begin_to_write()
    call('HSET', key, 'l', with_us(got[3]))
    if got[2] == '3' then mark(ARGV[at], got[4]) end
  end
  local record = try('HGETALL', key)
  reply[#reply + 1] = record.err and { 's', 'foreign' } or record
end
return reply
