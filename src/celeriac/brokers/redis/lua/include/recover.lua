-- Forget a worker and give what it held to others. Needs keys, counts, bells, lines, news, task.

local function recover(worker, body, revoked)
  local held, heads = {}, {}
  local runs = call('HGETALL', running_key(worker))
  for at = 1, #runs, 2 do
    local task, queue = look(runs[at]), string.match(runs[at + 1], '^%d+ (%S+)')
    if held_by(task, worker) then
      held[#held + 1] = task
    elseif queue then -- somebody has deleted the record
      count('r', queue, -1)
    end
  end
  table.sort(held, function(one, other) return before(one.id, other.id) end)
  for _, task in ipairs(held) do
    if crash(task, body, revoked) then heads[#heads + 1] = task end
  end
  to_heads(heads)
  make_room()
  local known = call('HMGET', worker_key(worker), 'q', 'h')
  for queue in string.gmatch(known[1] or '', '%S+') do
    call('SREM', hungry_key(queue), worker)
    if known[2] == 'r' then ring(queue, 1) end -- it was rung, and took that with it
  end
  call('DEL', worker_key(worker), running_key(worker), stops_key(worker), names_key(worker), bell_key(worker))
  call('DEL', commands_key(worker))
  call('ZREM', WORKERS, worker)
  return #held
end
