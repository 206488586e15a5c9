-- Walk over all records and return those of tasks that have not started.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 where to go on, '0' at first; 6 how many keys are looked at, some more or fewer
-- Reply: where to go on, '0' at the end; then of each: id, its record (fields and values)
-- Atomic: all of it; changes nothing
-- include: keys
local PENDING = { ['0'] = true, ['1'] = true, ['2'] = true, p = true, h = true }
local found = call('SCAN', ARGV[5], 'MATCH', RECORD .. '*', 'COUNT', ARGV[6])
local reply = { found[1] }
for _, key in ipairs(found[2]) do
  local state = try('HGET', key, 's')
  if not state or PENDING[state] then
    local record = call('HGETALL', key)
    if #record > 0 then reply[#reply + 1] = { string.sub(key, #RECORD + 1), record } end
  end
end
return reply
