-- How many tasks of a queue are in which state: summed while the script runs, written once.
-- Fields are "<kind>:<queue>"; kinds are a priority (ready at it), w(aiting), s(cheduled), r(unning) and
-- p(arked).
local counts = {}

local function count(kind, queue, by)
  local of_queue = counts[queue]
  if not of_queue then
    of_queue = {}
    counts[queue] = of_queue
  end
  of_queue[kind] = (of_queue[kind] or 0) + by
end

local function write_counts()
  for queue, of_queue in pairs(counts) do
    for kind, by in pairs(of_queue) do
      if by ~= 0 then
        local field = kind .. ':' .. queue
        if call('HINCRBY', COUNTS, field, by) <= 0 then call('HDEL', COUNTS, field) end
      end
    end
  end
end
