-- Delete the records of finished tasks.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards ids
-- Reply: how many
-- Atomic: all of it; may be repeated. Those that an unfinished task waited for stay.
-- include: keys
-- include: dead
-- include: logs
local gone = 0
for at = 5, #ARGV do
  local key = RECORD .. ARGV[at]
  local got = call('HMGET', key, 's', 'b', 'e', 'O')
  local state, is_needed = got[1], got[2] and tonumber(got[2]) > 0
  if (state == '4' or state == '5' or state == '6') and not is_needed then
    gone = gone + call('UNLINK', key)
    if state == '5' then strike_dead(ARGV[at], got[3]) end
    if got[2] then call('UNLINK', children_key(ARGV[at])) end
    call('UNLINK', parents_key(ARGV[at]))
    if got[4] then each_log(ARGV[at], got[4], function(log) call('UNLINK', log) end) end
  end
end
return gone
