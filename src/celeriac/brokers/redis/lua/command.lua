-- Tell workers to do something, with their next heartbeats.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 the verb, 6 the task or '', 7 how many commands of one worker are kept, 8 onwards workers
-- Reply: 1 for each that is known, else 0
-- Atomic: all of it; told twice when it is repeated
-- include: keys
-- include: full
local answers = {}
begin_to_write()
for at = 8, #ARGV do
  local key, known = commands_key(ARGV[at]), call('EXISTS', worker_key(ARGV[at]))
  if known == 1 then
    local number = call('HINCRBY', worker_key(ARGV[at]), 'c', 1)
    call('RPUSH', key, string.format('%d %s %s', number, ARGV[5], ARGV[6]))
    if call('LLEN', key) > tonumber(ARGV[7]) then call('LPOP', key) end
  end
  answers[#answers + 1] = known
end
return answers
