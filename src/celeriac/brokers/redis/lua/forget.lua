-- Delete the records of finished tasks.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards ids
-- Reply: how many
-- Atomic: all of it; may be repeated
-- include: keys
local gone = 0
for at = 5, #ARGV do
  local key = RECORD .. ARGV[at]
  local state = call('HGET', key, 's')
  if state == '4' or state == '5' or state == '6' then gone = gone + call('UNLINK', key) end
end
return gone
