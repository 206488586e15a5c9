-- Forget a worker and give what it held to others. Needs keys, counts, lines, news, task.

local function before(one, other)
  for at = 1, math.min(#one, #other) do
    local a, b = string.byte(one, at), string.byte(other, at)
    if a ~= b then return a < b end
  end
  return #one < #other
end

local function recover(worker, body, revoked)
  local held, heads = {}, {}
  for _, id in ipairs(redis.call('SMEMBERS', running_key(worker))) do
    local task = look(id)
    if held_by(task, worker) then held[#held + 1] = task end
  end
  table.sort(held, function(one, other) return before(one.id, other.id) end)
  for _, task in ipairs(held) do
    if crash(task, body, revoked) then heads[#heads + 1] = task end
  end
  to_heads(heads)
  redis.call(
    'DEL', worker_key(worker), running_key(worker), stops_key(worker), names_key(worker), personal_bell_key(worker)
  )
  redis.call('ZREM', WORKERS, worker)
  return #held
end
