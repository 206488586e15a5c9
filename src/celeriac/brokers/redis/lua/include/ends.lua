-- The list of what has ended, in that order, written once for each script. Needs keys.
-- A task that has failed has '#' before its id, a cancelled one '!'. The hash `trimmed` says of it: 'd' how many were taken
-- from its head, 'c' and 'f' how many of those in it were cancelled and have failed, 'u' when the last one failed
-- of those taken from it whose records are still there: they are found in DEAD.
local endings = {} -- one name for all of it: Lua allows 200 at a time

do

local LONGEST = tonumber(RETENTION) > tonumber(DEAD_RETENTION) and RETENTION or DEAD_RETENTION

local ends, marks = {}, { ['5'] = '#', ['6'] = '!' }
local marked = { ['5'] = 0, ['6'] = 0 }

function endings.note(id, state)
  local mark = marks[state]
  if mark then marked[state] = marked[state] + 1 end
  ends[#ends + 1] = mark and mark .. id or id
end

-- As long as anything that it tells of may be there.
function endings.keep() call('PEXPIRE', INDEX.trimmed, LONGEST) end

function endings.write()
  if #ends == 0 then return end
  in_chunks('RPUSH', INDEX.ends, ends)
  call('PEXPIRE', INDEX.ends, LONGEST)
  if marked['6'] > 0 then call('HINCRBY', INDEX.trimmed, 'c', marked['6']) end
  if marked['5'] > 0 then call('HINCRBY', INDEX.trimmed, 'f', marked['5']) end
  endings.keep()
  ends, marked = {}, { ['5'] = 0, ['6'] = 0 }
end

end
