-- Let other tasks take a running one's place.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 worker, 6 id, 7 fence, 8 id of the task whose end is its own, 9 the error of revoked ones, 10 onwards as
--   from 5 on for send_graph.lua
-- Reply: 1 when it was done (or had been before), 0 when it is refused, or the first id that is waited for and not
--   known: then nothing is written
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
local worker, id, fence, last, revoked = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local task = look(id)
if not (held_by(task, worker) and task.fence == fence) then
  return task and call('HGET', task.key, 'f') == last and 1 or 0
end
if not task.cancelled then
  local sent = send_graph(10)
  if type(sent) == 'string' then return sent end
end
call('HDEL', running_key(worker), id)
call('ZREM', stops_key(worker), id)
if task.cancelled then
  finish(task, CANCELLED, revoked)
else
  leave(task)
  call('HSET', task.key, 's', WAITING, 'm', 'r', 'k', 1, 'f', last)
  call('ZADD', INDEX.waiting, call('HGET', task.key, 'c'), id)
  count('w', task.queue, 1)
  tell_of(task)
  wait_for_more(task, { last })
end
make_room()
follow(MANY)
write_all()
return 1
