-- Forget workers and give what they held to others.
-- KEYS, ARGV 1 to 3: include/keys.lua
-- ARGV: 4 the error of tasks that crashed too often, 5 of revoked ones, 6 onwards workers
-- Reply: how many tasks they still held
-- Atomic: all of it; may be repeated
-- include: keys
-- include: counts
-- include: bells
-- include: lines
-- include: news
-- include: task
-- include: recover
local held = 0
for at = 6, #ARGV do held = held + recover(ARGV[at], ARGV[4], ARGV[5]) end
write_all()
return held
