-- Say how many have ended.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: nothing more
-- Reply: fields and values of the counts; how many have ended, were cancelled among them, have failed among them; how many
--   failures are kept
-- Atomic: all of it; changes nothing
-- include: keys
local marked = call('HMGET', INDEX.trimmed, 'c', 'f')
return {
  call('HGETALL', COUNTS), call('LLEN', INDEX.ends), tonumber(marked[1] or 0), tonumber(marked[2] or 0), call('ZCARD', DEAD),
}
