-- Let scheduled tasks become due at another moment.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 when, 6 onwards ids
-- Reply: 1 for each that was scheduled, else 0
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
local due, moved = ARGV[5], {}
for at = 6, #ARGV do
  local task = look(ARGV[at])
  local is_scheduled = task and task.state == SCHEDULED
  if is_scheduled then
    leave(task)
    schedule(task, due)
  end
  moved[#moved + 1] = is_scheduled and 1 or 0
end
write_all()
return moved
