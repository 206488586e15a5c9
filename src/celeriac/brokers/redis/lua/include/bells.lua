-- Waking idle workers: as many as there is new work for, of those that said they were hungry.
-- A worker's field 'h' is '1' when it is hungry, 'r' when it was rung since; 'j' is there once it has a bell.
-- Needs keys.
local BELL_TTL = 60000

local rings = {}

local function ring(queue, tasks)
  rings[queue] = (rings[queue] or 0) + tasks
end

local function ring_worker(worker, why)
  local bell = bell_key(worker)
  call('RPUSH', bell, why)
  call('PEXPIRE', bell, BELL_TTL)
end

-- One that has been silent for half of its lease may be dead: it is rung, but another one too.
local function is_fresh(seen, lease)
  return (tonumber(seen) or 0) + (tonumber(lease) or 0) / 2 > now
end

-- Ring a worker if it is hungry; say whether it will come for sure.
local function wake(worker)
  local known = call('HMGET', worker_key(worker), 'h', 'e', 'l')
  if known[1] ~= '1' then return false end
  call('HSET', worker_key(worker), 'h', 'r')
  ring_worker(worker, 'work')
  return is_fresh(known[2], known[3])
end

-- Workers that are busy by now, or gone, are still in the set; they are dropped here.
local function write_rings()
  for queue, tasks in pairs(rings) do
    local hungry = hungry_key(queue)
    while tasks > 0 do
      local worker = call('SPOP', hungry)
      if not worker then break end
      if wake(worker) then tasks = tasks - 1 end
    end
  end
end
