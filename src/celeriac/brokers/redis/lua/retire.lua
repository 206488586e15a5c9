-- Forget workers and give what they held to others.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 the error of tasks that crashed too often, 6 of revoked ones, 7 onwards workers
-- Reply: how many tasks they still held
-- Atomic: all of it; may be repeated
-- include: keys
-- include: counts
-- include: bells
-- include: lines
-- include: lanes
-- include: news
-- include: dead
-- include: ends
-- include: logs
-- include: task
-- include: following
-- include: recover
-- include: full
local held = 0
begin_to_write()
for at = 7, #ARGV do held = held + recover(ARGV[at], ARGV[5], ARGV[6]) end
follow(MANY)
write_all()
return held
