-- Send each message unless another task has its unique name.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 the error of those that a newer one takes the place of, 6 onwards for each message: id, unique name or '', for how
--   many seconds or '', '1' for as long as there is a record, '1' to take the name from one that has not started, how many
--   arguments describe it; then those, as for send.lua from 5 on
-- Reply: of each the id of the task that has the name
-- Atomic: all of it; may be repeated
-- include: keys
-- include: counts
-- include: bells
-- include: lines
-- include: lanes
-- include: news
-- include: dead
-- include: ends
-- include: logs
-- include: task
-- include: following
-- include: messages
-- include: names
local superseded = ARGV[5]

local function take_name(at)
  local id, name, seconds, until_gone = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local holder = holder_of(name)
  if holder and ARGV[at + 4] ~= '1' then return holder end
  local old = holder and look(holder)
  if old and old.state ~= RUNNING and not is_final(old.state) then finish(old, CANCELLED, superseded) end
  call('SET', unique_key(name), table.concat({ id, NOW, seconds == '' and '-' or seconds, until_gone }, ' '))
  if seconds ~= '' then
    call('PEXPIRE', unique_key(name), string.format('%d', tonumber(seconds) * 1000 + 60000))
  end
  return id
end

local answers, at = {}, 6
while at < #ARGV do
  local first = at + 6
  local last = first + ARGV[at + 5] - 1
  local holder = ARGV[at]
  if ARGV[at + 1] ~= '' and call('EXISTS', RECORD .. holder) == 0 then holder = take_name(at) end
  if holder == ARGV[at] then
    write_tails() -- what was cancelled may have let others into the lines
    send_runs(first, last)
  end
  answers[#answers + 1] = holder
  at = last + 1
end
follow(MANY)
write_all()
return answers
