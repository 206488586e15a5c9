-- How many tasks of a queue are in which state: summed while the script runs, written once.
-- Fields are "<kind>:<queue>"; kinds are a priority (ready at it), s(cheduled), r(unning) and p(arked).
local deltas = {}

local function count(kind, queue, by)
  local field = kind .. ':' .. queue
  deltas[field] = (deltas[field] or 0) + by
end

local function write_counts()
  for field, by in pairs(deltas) do
    if by ~= 0 and redis.call('HINCRBY', COUNTS, field, by) <= 0 then redis.call('HDEL', COUNTS, field) end
  end
end

-- Call a command with one key and any number of arguments; Lua can unpack some 8,000 at once.
local function in_chunks(command, key, arguments)
  for at = 1, #arguments, 7000 do
    redis.call(command, key, unpack(arguments, at, math.min(at + 6999, #arguments)))
  end
end
