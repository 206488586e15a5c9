-- Return schedules.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 how many of the next ones, or '': all, or those whose names are 6 onwards
-- Reply: of each: name, entry, due or '', memory, '1' if paused, token
-- Atomic: all of it; changes nothing
-- include: keys
local names
if #ARGV > 5 then
  names = {}
  for at = 6, #ARGV do names[#names + 1] = ARGV[at] end
elseif ARGV[5] == '' then
  names = call('ZRANGE', SCHEDULES, 0, -1)
else
  names = call('ZRANGEBYSCORE', SCHEDULES, '-inf', '(+inf', 'LIMIT', 0, ARGV[5])
end
local reply = {}
for _, name in ipairs(names) do
  local kept = call('HMGET', schedule_key(name), 'n', 'd', 'm', 'p', 't')
  if kept[5] then reply[#reply + 1] = { name, unpack(kept) } end
end
return reply
