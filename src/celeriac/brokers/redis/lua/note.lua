-- Remember who did what.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 how many are kept, 6 the moment until which they are too old, 7 onwards per deed: when, what
-- Reply: nothing of interest
-- Atomic: all of it; noted twice when it is repeated
-- include: keys
local last = tonumber(string.match(call('LINDEX', ACTIVITY, -1) or '', '^%d+') or 0)
for at = 7, #ARGV, 2 do
  last = last + 1
  call('RPUSH', ACTIVITY, string.format('%d %s\n', last, ARGV[at]) .. ARGV[at + 1])
end

local function is_old(entry)
  local when = entry and tonumber(string.match(entry, '^%d+ (%S+)') or 0)
  return when and when <= tonumber(ARGV[6])
end

local many = call('LLEN', ACTIVITY) - tonumber(ARGV[5])
while many > 0 or is_old(call('LINDEX', ACTIVITY, 0)) do
  call('LPOP', ACTIVITY)
  many = many - 1
end
return 0
