-- Change schedules, each with what it sends.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 onwards for each change: name, the token it has now or '', '1' to keep it or '0' to remove it, entry, due or
--   '', memory, '1' if paused, new token, how many arguments describe what is sent, '1' if some of it waits for others;
--   then those: as for send.lua from 5 on, or as for send_graph.lua
-- Reply: per change 1 when it was made (or had been before), 0 when the schedule has another token
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
-- include: marks
-- include: messages
-- include: graph
local function change(name, token, at)
  local key = schedule_key(name)
  local kept = call('HGET', key, 't')
  if at[1] == '1' and kept == at[6] or at[1] == '0' and not kept then return 'done' end
  if (kept or '') ~= token then return 'refused' end
  if at[1] == '0' then
    call('DEL', key)
    call('ZREM', SCHEDULES, name)
  else
    call('HSET', key, 'n', at[2], 'd', at[3], 'm', at[4], 'p', at[5], 't', at[6])
    call('ZADD', SCHEDULES, (at[5] == '1' or at[3] == '') and '+inf' or at[3], name)
  end
  return 'new'
end

local answers, at = {}, 5
while at < #ARGV do
  local first = at + 10
  local last = first + ARGV[at + 8] - 1
  local done = change(ARGV[at], ARGV[at + 1], { unpack(ARGV, at + 2, at + 7) })
  if done == 'new' and last > first then
    if ARGV[at + 9] == '1' then send_graph(first, last) else send_runs(first, last) end
  end
  answers[#answers + 1] = done == 'refused' and 0 or 1
  at = last + 1
end
follow(MANY)
write_all()
return answers
