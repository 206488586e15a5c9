-- Keep what somebody has counted.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 who, 6 the number of this time, 7 for how many milliseconds to know that number; 8 onwards for each row: the
--   moment of its minute, queue, name, numbers
-- Reply: 1, or 0 when it was counted before
-- Atomic: all of it; may be repeated
-- include: keys
-- include: tallies
local key = TALLY.teller(ARGV[5])
if tonumber(ARGV[6]) <= tonumber(call('GET', key) or 0) then return 0 end
call('SET', key, ARGV[6])
call('PEXPIRE', key, ARGV[7])
for at = 8, #ARGV, 4 do
  local moment, queue, name, numbers = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  put_tally('60', moment, queue, name, numbers)
  put_tally(EVER, '0', queue, name, numbers)
end
return 1
