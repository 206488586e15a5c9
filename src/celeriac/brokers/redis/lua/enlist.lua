-- Make a worker known; queue the parked tasks whose names it knows.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 worker, 6 when its lease ends, 7 its lease in seconds, 8 its description, 9 its queues (with
--   spaces between), 10 the kernel on which it runs, 11 onwards the names that it knows, sorted
-- Reply: how many tasks were unparked
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
-- include: full
local worker, unparked = ARGV[5], 0
local key = worker_key(worker)
begin_to_write()
call('HSET', key, 'i', ARGV[8], 'q', ARGV[9], 'l', ARGV[7], 'b', NOW, 'e', NOW, 'k', ARGV[10])
call('HSET', running_key(worker), PAD, PADDING)
if call('HSETNX', key, 't', '0') == 1 then call('HSET', key, 'a', '', 'h', '0') end
call('DEL', names_key(worker))
for at = 11, #ARGV, 7000 do
  call('SADD', names_key(worker), unpack(ARGV, at, math.min(at + 6999, #ARGV)))
end
call('ZADD', WORKERS, ARGV[6], worker)

local function unpark(queue, name)
  local parked = parked_key(queue, name)
  for _, id in ipairs(call('LRANGE', parked, 0, -1)) do
    local task = look(id)
    if task and task.state == WAITS then
      count('p', task.queue, -1)
      make_ready(task)
      to_tail(task.id, task.queue, task.priority)
      unparked = unparked + 1
    end
  end
  call('DEL', parked)
  strike_parked(queue, name)
end

for _, queue in ipairs(call('SMEMBERS', PARKED)) do
  for _, name in ipairs(parked_names(worker, queue)) do unpark(queue, name) end
end
write_all()
return unparked
