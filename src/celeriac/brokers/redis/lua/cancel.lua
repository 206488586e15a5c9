-- Revoke tasks.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 the error, 6 '1' to terminate running ones, 7 onwards ids
-- Reply: one letter per id: c(ancelled), s(topping), n(oted), f(inal), u(nknown)
-- Atomic: all of it
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
-- include: full
local error, terminate, codes = ARGV[5], ARGV[6] == '1', {}

-- Said again because the first answer was lost: what we then cancelled counts as cancelled.
local function ended_now(task)
  return task.state == CANCELLED and call('HGET', task.key, 'e') == NOW
end

local function cancel(task)
  if not task then return 'u' end
  if is_final(task.state) then return AGAIN and ended_now(task) and 'c' or 'f' end
  if task.state ~= RUNNING then
    finish(task, CANCELLED, error)
    return 'c'
  end
  call('HSET', task.key, 'z', '1')
  if not terminate then return 'n' end
  call('ZADD', stops_key(task.worker), 'NX', NOW, task.id)
  if call('LLEN', bell_key(task.worker)) == 0 then ring_worker(task.worker, 'stop') end
  return 's'
end

begin_to_write()
for at = 7, #ARGV do codes[#codes + 1] = cancel(look(ARGV[at])) end
follow(MANY)
write_all()
return table.concat(codes)
