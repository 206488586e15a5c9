-- The names of keys; the other half of keys.py, and a test holds the two together. Every script gets
-- KEYS: counts, due, expiry, workers, parked (the namespace's own, one each)
-- ARGV: 1 the namespace's root, such as "{celeriac}:"; 2 now; 3 the retention in milliseconds, and that of failed tasks;
--   4 which try this is: from 1 on an earlier one may have been carried out, its answer lost
-- Keys of single tasks, queues, names and workers are derived from the root and share its hash tag.
local COUNTS, DUE, EXPIRY, WORKERS, PARKED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ROOT, NOW = ARGV[1], ARGV[2]
local RETENTION, DEAD_RETENTION = string.match(ARGV[3], '^(%d+) (%d+)$')
local AGAIN = ARGV[4] ~= '0'
local RECORD, ENDED, FREED, PAUSED = ROOT .. 't:', ROOT .. 'ended', ROOT .. 'freed', ROOT .. 'paused'
local SCHEDULES, WAKES, DEAD, ACTIVITY = ROOT .. 'schedules', ROOT .. 'wakes', ROOT .. 'dead', ROOT .. 'activity'
local INDEX = { ends = ROOT .. 'ends', trimmed = ROOT .. 'trimmed', waiting = ROOT .. 'waiting' }
local now = tonumber(NOW) -- to compare with; what is stored is NOW, since Lua would round it
local call, try = redis.call, redis.pcall

local function line_key(queue, priority) return ROOT .. 'q:' .. priority .. ':' .. queue end
local function hungry_key(queue) return ROOT .. 'h:' .. queue end
local function parked_key(queue, name) return ROOT .. 'p:' .. queue .. ' ' .. name end -- neither has a space
local function unknown_key(queue) return ROOT .. 'u:' .. queue end
local function worker_key(worker) return ROOT .. 'w:' .. worker end
local function running_key(worker) return ROOT .. 'r:' .. worker end
local function stops_key(worker) return ROOT .. 's:' .. worker end
local function names_key(worker) return ROOT .. 'n:' .. worker end
local function bell_key(worker) return ROOT .. 'b:' .. worker end
local function children_key(id) return ROOT .. 'f:' .. id end
local function parents_key(id) return ROOT .. 'a:' .. id end
local function log_key(id, attempt) return ROOT .. 'o:' .. id .. ' ' .. attempt end -- an id has no space
local function commands_key(worker) return ROOT .. 'j:' .. worker end
local function unique_key(name) return ROOT .. 'x:' .. name end
local function lane_key(name) return ROOT .. 'l:' .. name end
local function held_key(lane, place) return ROOT .. 'm:' .. lane .. ' ' .. place end -- none has a space
local function holding_key(queue) return ROOT .. 'k:' .. queue end
local function schedule_key(name) return ROOT .. 'c:' .. name end
local TALLY = { -- in a table, since a script can have 200 local names at a time
  bucket = function(step, moment) return ROOT .. 'tally:' .. step .. ':' .. moment end,
  moments = function(step) return ROOT .. 'tallies:' .. step end,
  teller = function(teller) return ROOT .. 'teller:' .. teller end,
}
local function news_channel(listener) return ROOT .. 'news:' .. listener end

-- What a worker runs is a hash of ids; this first field makes it a real table at once: a small hash is a list to
-- Redis, in which each of a batch's ids would be searched for from the start.
local PAD = ' ' -- no id has one
local PADDING = string.rep('-', 65)

-- Call a command with one key and any number of arguments; Lua can unpack some 8,000 at once.
local function in_chunks(command, key, arguments)
  for at = 1, #arguments, 7000 do
    call(command, key, unpack(arguments, at, math.min(at + 6999, #arguments)))
  end
end

-- The order of bytes, which is Python's order of texts; `<` would ask the server's locale.
local function before(one, other)
  for at = 1, math.min(#one, #other) do
    local a, b = string.byte(one, at), string.byte(other, at)
    if a ~= b then return a < b end
  end
  return #one < #other
end
