-- Return what was done last, the newest first.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 below which number (0 for any), 6 how many
-- Reply: per deed: "number when" and what was done below that
-- Atomic: all of it; changes nothing
-- include: keys
local after, count, reply = tonumber(ARGV[5]), tonumber(ARGV[6]), {}
local first = tonumber(string.match(call('LINDEX', ACTIVITY, 0) or '', '^%d+') or 1)
local last = call('LLEN', ACTIVITY) - 1
if after > 0 then last = math.min(last, after - first - 1) end -- numbers have no gaps
if last < 0 or count < 1 then return reply end
local found = call('LRANGE', ACTIVITY, math.max(0, last - count + 1), last)
for at = #found, 1, -1 do reply[#reply + 1] = found[at] end
return reply
