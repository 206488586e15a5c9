-- Revoke tasks.
-- KEYS, ARGV 1 to 3: include/keys.lua
-- ARGV: 4 the error, 5 '1' to terminate running ones, 6 onwards ids
-- Reply: one letter per id: c(ancelled), s(topping), n(oted), f(inal), u(nknown)
-- Atomic: all of it
-- include: keys
-- include: counts
-- include: lines
-- include: news
-- include: task
local error, terminate, codes = ARGV[4], ARGV[5] == '1', {}

local function cancel(task)
  if not task then return 'u' end
  if is_final(task) then return 'f' end
  if task.state ~= RUNNING then
    finish(task, CANCELLED, error)
    return 'c'
  end
  redis.call('HSET', task.key, 'z', '1')
  if not terminate then return 'n' end
  redis.call('ZADD', stops_key(task.worker), 'NX', NOW, task.id)
  local bell = personal_bell_key(task.worker)
  if redis.call('LLEN', bell) == 0 then
    redis.call('RPUSH', bell, '1')
    redis.call('PEXPIRE', bell, BELL_TTL)
  end
  return 's'
end

for at = 6, #ARGV do codes[#codes + 1] = cancel(look(ARGV[at])) end
write_all()
return table.concat(codes)
