-- Have nothing claimed from a queue. Nobody is hungry for it any more, so that nobody is rung.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 queue
-- Reply: 1 if it was not paused
-- Atomic: all of it; may be repeated
-- include: keys
-- include: full
begin_to_write()
local new = call('SADD', PAUSED, ARGV[5])
call('DEL', hungry_key(ARGV[5]))
return AGAIN and 1 or new
