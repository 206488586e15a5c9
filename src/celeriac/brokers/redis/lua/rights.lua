-- Say which commands the user may not run, with these keys and channels.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 on: one call each, its words with spaces between
-- Reply: the numbers of those that are not permitted, from 1; nil where the server cannot say (before Redis 7)
-- Atomic: nothing is run
-- include: keys
if not redis.acl_check_cmd then return false end
local reply = {}
for at = 5, #ARGV do
  local words = {}
  for word in string.gmatch(ARGV[at], '%S+') do words[#words + 1] = word end
  local known, permitted = pcall(redis.acl_check_cmd, unpack(words))
  if known and not permitted then reply[#reply + 1] = at - 4 end
end
return reply
