-- Return the records of tasks that have failed, those first that failed last.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 where to go on or '', 6 how many at most, 7 the moment before which they failed or ''
-- Reply: where to go on, '' at the end; then of each: id, its record (fields and values)
-- Atomic: all of it; changes nothing
-- include: keys
-- include: dead
local after, most, until_then = ARGV[5], tonumber(ARGV[6]), ARGV[7]
local from = '+'
if after ~= '' then from = '(' .. after elseif until_then ~= '' then from = '(' .. moment_of(until_then) end
local entries = call('ZRANGE', DEAD, from, '-', 'BYLEX', 'REV', 'LIMIT', 0, most)
local reply = { #entries == most and entries[most] or '' }
for _, entry in ipairs(entries) do
  local failed, id = string.match(entry, '^(%S+) (.*)$')
  local got = try('HMGET', RECORD .. id, 's', 'e')
  -- The record may be gone, or be that of another task that was sent with the same id since.
  if not got.err and got[1] == '5' and tonumber(got[2]) and moment_of(got[2]) == failed then
    reply[#reply + 1] = { id, call('HGETALL', RECORD .. id) }
  end
end
return reply
