-- Revoke tasks.
-- KEYS, ARGV 1 to 3: include/keys.lua
-- ARGV: 4 the error, 5 '1' to terminate running ones, 6 onwards ids
-- Reply: one letter per id: c(ancelled), s(topping), n(oted), f(inal), u(nknown)
-- Atomic: all of it
-- include: keys
-- include: counts
-- include: bells
-- include: lines
-- include: news
-- include: task
local error, terminate, codes = ARGV[4], ARGV[5] == '1', {}

local function cancel(task)
  if not task then return 'u' end
  if is_final(task.state) then return 'f' end
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

for at = 6, #ARGV do codes[#codes + 1] = cancel(look(ARGV[at])) end
write_all()
return table.concat(codes)
