-- Return lines of a task's log.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 id, 6 after which number, 7 how many, 8 of how many attempts lines are kept
-- Reply: per line: the attempt, "number when level" and its text below that
-- Atomic: all of it; changes nothing
-- include: keys
local after, most, reply = tonumber(ARGV[6]), tonumber(ARGV[7]), {}
local number, attempt = string.match(call('HGET', RECORD .. ARGV[5], 'O') or '', '^(%d+) (%d+)')
if not attempt or tonumber(number) <= after then return reply end
for each = math.max(1, tonumber(attempt) - tonumber(ARGV[8]) + 1), tonumber(attempt) do
  for _, entry in ipairs(call('LRANGE', log_key(ARGV[5], string.format('%d', each)), 0, -1)) do
    if #reply / 2 < most and tonumber(string.match(entry, '^%d+') or 0) > after then
      reply[#reply + 1] = each
      reply[#reply + 1] = entry
    end
  end
end
return reply
