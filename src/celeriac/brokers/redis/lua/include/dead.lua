-- The index of failed tasks: of each when it failed, in digits that sort as the moments do, and its id. Needs keys.
local function moment_of(time) return string.format('%017.6f', tonumber(time)) end

local function dead_entry(id, finished) return moment_of(finished) .. ' ' .. id end

local function note_dead(id) call('ZADD', DEAD, 0, dead_entry(id, NOW)) end

local function strike_dead(id, finished)
  if tonumber(finished) then call('ZREM', DEAD, dead_entry(id, finished)) end
end
