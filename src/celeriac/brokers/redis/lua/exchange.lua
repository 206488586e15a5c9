-- Settle what a worker finished and claim what it shall run next. The hot path.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 worker, 6 trip, 7 how many it wants, 8 the error of expired tasks, 9 of revoked, 10 of broken
--   ones, 11 its queues in another order or '', 12 the seconds in which a task that waits gains a priority or '',
--   13 onwards runs of one verdict: verdict, how many, their fences with spaces between (one, if it is
--   the same for all), '1' if they have bodies, their ids, their bodies if any, and for verdicts that are not
--   final their due times
-- Reply: nothing when the worker is unknown, else: the first moment at which something is due or ''; refused ids; ids to stop; of
--   the claims: "name queue priority fence how-many" for each run of them, ids (with spaces between), the
--   payloads (none if all are empty), for those that have any of it: position, tally (retries, crashes, crashes
--   allowed), checkpoint, and the options of each run (none if all are empty)
-- Atomic: all of it. A trip with the last one's number settles nothing and repeats its claims.
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
local RETRY, RELEASE, CRASHED, RETURNED = '4', '5', '6', '8'
local FINAL = { ['1'] = SUCCEEDED, ['2'] = FAILED, ['3'] = CANCELLED }
local LOOKS, STALE = 1000, 10000
local worker, trip, want = ARGV[5], ARGV[6], tonumber(ARGV[7])
local EXPIRED, REVOKED, BROKEN = ARGV[8], ARGV[9], ARGV[10]
local OURS, RUNS = worker_key(worker), running_key(worker)

local known = call('HMGET', OURS, 't', 'q', 'a', 'h', 'j')
if not known[2] then return {} end
local queues, pausing = {}, call('EXISTS', PAUSED) == 1 -- those from which it may claim now
for queue in string.gmatch(ARGV[11] ~= '' and ARGV[11] or known[2], '%S+') do
  if not (pausing and call('SISMEMBER', PAUSED, queue) == 1) then queues[#queues + 1] = queue end
end

-- --- settling ---

local refused = {}

local settle

do -- Lua allows 200 local names at a time

-- Settle what is not final; say whether it goes to the head of its line.
local function put_back(task, verdict, due, body)
  if verdict == RETURNED and task.lane then
    local lane = lane_of(task.lane)
    lane.tokens = math.min(lane.burst, lane.tokens + 1)
  end
  if task.cancelled then
    finish(task, CANCELLED, REVOKED)
    return false
  end
  if verdict == CRASHED then return crash(task, body, REVOKED) end
  leave(task)
  tell_of(task)
  if verdict == RETURNED or verdict == RELEASE and tonumber(due) == 0 then
    make_ready(task)
    return true
  end
  if verdict == RETRY then
    local retries, crashes, limit = tally_of(task.tally)
    call('HSET', task.key, 'g', string.format('%d %d %d', retries + 1, crashes, limit))
    if body == '' then call('HDEL', task.key, 't') else call('HSET', task.key, 't', body) end
    keep_attempt(task, verdict, body, NOW)
  end
  schedule(task, due)
  return false
end

-- Field of what a worker runs: fence and queue, '+' when others wait for it, '!' when the record has to be looked at.
local entries = {}

local function entry_of(field)
  local fence, queue, linked, mark = string.match(field, '^(%d+) (%S+) ?(%+?) ?(!?)$')
  local entry = { fence = fence, queue = queue, linked = linked ~= '', plain = mark == '', ended = 0 }
  entries[field] = entry
  return entry
end

-- Write the end of a task of which nothing else has to be known than whether others wait for it.
local function end_plainly(id, state, body, linked)
  local key, written, all = RECORD .. id, nil, 3
  if body == '' then
    written, all = try('HSET', key, 's', state, 'e', NOW), 2
  else
    written = try('HSET', key, 's', state, 'e', NOW, state == SUCCEEDED and 'v' or 't', body)
  end
  if written == all then
    call('DEL', key) -- somebody has deleted the record
  elseif type(written) == 'number' then
    if state == FAILED then note_dead(id) end
    endings.note(id, state)
    if not linked then return call('PEXPIRE', key, retention_of(state)) end
    keep_or_let_go(id, key, state, body, call('HGET', key, 'b'))
  end
end

local heads, done = {}, {}

-- Settle one of ours whose fence is right.
local function settle_one(entry, id, verdict, body, due)
  local state = FINAL[verdict]
  if state and entry.plain then
    entry.ended = entry.ended + 1
    return end_plainly(id, state, body, entry.linked)
  end
  local task = look(id)
  if not held_by(task, worker) then -- somebody has deleted the record
    entry.ended = entry.ended + 1
  elseif state then
    finish(task, state, body)
  elseif put_back(task, verdict, due, body) then
    heads[#heads + 1] = task
  end
end

local settled = {}

-- Settle a run that begins at *at*; return where the next one begins.
local function settle_run(at)
  local verdict, many, fences = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  local first = at + 4
  local bodies = ARGV[at + 3] == '1' and first + many
  local dues = not FINAL[verdict] and (bodies or first) + many
  local next_fence = string.find(fences, ' ', 1, true) and string.gmatch(fences, '%S+')
  local held = call('HMGET', RUNS, unpack(ARGV, first, first + many - 1))
  for number = 0, many - 1 do
    local id, entry = ARGV[first + number], held[number + 1]
    local fence = next_fence and next_fence() or fences
    entry = entry and (entries[entry] or entry_of(entry))
    if entry and entry.fence == fence and not done[id] then
      done[id] = true
      settled[#settled + 1] = id
      settle_one(entry, id, verdict, bodies and ARGV[bodies + number] or '', dues and ARGV[dues + number])
    else
      refused[#refused + 1] = id
    end
  end
  return (dues or bodies or first) + many
end

function settle()
  local at = 13
  while at < #ARGV do at = settle_run(at) end
  for _, entry in pairs(entries) do
    if entry.ended > 0 then count('r', entry.queue, -entry.ended) end
  end
  if #settled > 0 then
    in_chunks('HDEL', RUNS, settled)
    if call('EXISTS', stops_key(worker)) == 1 then in_chunks('ZREM', stops_key(worker), settled) end
  end
  to_heads(heads)
  make_room()
end

end

-- --- claiming ---

local take_back

do

-- Add tasks of one name to *taken*, out of where they are parked, until it has as many as are wanted.
local function unpark(queue, name, taken)
  local looks = want + STALE
  while #taken < want and looks > 0 do
    local found = call('LPOP', parked_key(queue, name), math.min(want - #taken, looks))
    if not found then break end
    for _, id in ipairs(found) do
      local task = look(id)
      if task and task.state == WAITS then
        count('p', queue, -1)
        make_ready(task)
        task.is_first = true
        taken[#taken + 1] = task
      end
    end
    looks = looks - #found
  end
  strike_parked(queue, name)
end

-- Take back to the heads of their lines what others have parked and this worker knows.
function take_back()
  if call('EXISTS', PARKED) == 0 then return end
  local taken = {}
  for _, queue in ipairs(queues) do
    for _, name in ipairs(parked_names(worker, queue)) do
      if #taken < want then unpark(queue, name, taken) end
    end
  end
  to_heads(taken)
end

end

local ids, payloads, extras, claimed = {}, {}, {}, 0
local runs, run = {}, { many = 0 } -- of claims: what neighbours have in common
local options_of_runs, any_options, any_payload = {}, false, false
local known_names = {}

local function knows(name)
  local is_known = known_names[name]
  if is_known == nil then
    is_known = call('SISMEMBER', names_key(worker), name) == 1
    known_names[name] = is_known
  end
  return is_known
end

local just_parked = {} -- by queue and name: how many

local function park(id, name, queue, priority)
  call('HSET', RECORD .. id, 's', WAITS)
  call('RPUSH', parked_key(queue, name), id)
  call('SADD', unknown_key(queue), name)
  call('SADD', PARKED, queue)
  count(priority, queue, -1)
  count('p', queue, 1)
  just_parked[queue] = just_parked[queue] or {}
  just_parked[queue][name] = (just_parked[queue][name] or 0) + 1
end

-- Wake an idle worker for each task just parked, of those that know its name; others stay as they are.
local function write_rings_of_parked()
  for queue, parked in pairs(just_parked) do
    local hungry = hungry_key(queue)
    for _, idle in ipairs(call('SMEMBERS', hungry)) do
      for name, tasks in pairs(parked) do
        if tasks > 0 and call('SISMEMBER', names_key(idle), name) == 1 then
          call('SREM', hungry, idle)
          if wake(idle) then parked[name] = tasks - 1 end
          break
        end
      end
    end
  end
end

local function end_run()
  if run.many > 0 then
    runs[#runs + 1] = table.concat({ run.name, run.queue, run.priority, run.fence, run.many }, ' ')
    options_of_runs[#runs] = run.options or ''
    if run.options then any_options = true end
  end
end

local function answer(id, queue, priority, fence, name, payload, options, tally, checkpoint)
  claimed = claimed + 1
  ids[claimed], payloads[claimed] = id, payload or ''
  if payload then any_payload = true end
  if tally or checkpoint then extras[#extras + 1] = { claimed - 1, tally or '', checkpoint or '' } end
  if name ~= run.name or fence ~= run.fence or queue ~= run.queue or priority ~= run.priority
    or options ~= run.options then
    end_run()
    run = { name = name, queue = queue, priority = priority, fence = fence, options = options, many = 0 }
  end
  run.many = run.many + 1
end

-- Say whether what scripts and workers read as numbers and words can be read so.
local function is_whole(name, last, tally, expires)
  return name and not string.find(name, '[%s%z]') and (not last or string.find(last, '^%d+ %S+$'))
    and (not expires or tonumber(expires)) and (not tally or string.find(tally, '^%d+ %d+ %d+$'))
end

local held, first_claim = {}, '1 ' .. NOW
local usual_holds = {} -- by queue: of a first run, which nobody waits for and that needs no look

local function hold(id, queue, fence, linked, marked)
  local n = #held
  held[n + 1] = id
  if fence == '1' and not (linked or marked) then
    local usual = usual_holds[queue]
    if not usual then
      usual = '1 ' .. queue
      usual_holds[queue] = usual
    end
    held[n + 2] = usual
  else
    held[n + 2] = fence .. ' ' .. queue .. (linked and ' +' or '') .. (marked and ' !' or '')
  end
end

-- Look at an id just taken from its line; say whether it was a task that is still queued there.
local function start(id, place, queue, priority)
  local key = RECORD .. id
  local got = try('HGETALL', key)
  if got.err then return false end
  local name, where, last, tally, expires, listeners, payload, options, checkpoint = nil, false
  local needed, waits, lane, unique
  for at = 1, #got, 2 do
    local field, value = got[at], got[at + 1]
    if field == 'c' then -- when it was sent: each has it, none asks for it
    elseif field == 'n' then name = value
    elseif field == 'p' then payload = value
    elseif field == 'q' then where = value
    elseif field == 's' then return false
    elseif field == 'o' then options = value
    elseif field == 'j' then last = value
    elseif field == 'g' then tally = value
    elseif field == 'x' then expires = value
    elseif field == 'l' then listeners = value
    elseif field == 'h' then checkpoint = value
    elseif field == 'b' then needed = value
    elseif field == 'm' then waits = value
    elseif field == 'L' then lane = value
    elseif field == 'X' then unique = value
    end
  end
  if where ~= place then return false end
  local is_usual = known_names[name] and not (last or tally or expires) -- in its first run, like most
  if not is_usual and not is_whole(name, last, tally, expires) then
    if call('EXISTS', key) == 0 then return false end
    count(priority, queue, -1)
    if expires then call('ZREM', EXPIRY, id) end
    if lane then lane_leave(lane, queue, priority) end
    conclude(id, key, FAILED, BROKEN, false, listeners, needed, waits)
  elseif expires and tonumber(expires) <= now then
    finish(look(id), CANCELLED, EXPIRED, true)
  elseif not knows(name) then
    park(id, name, queue, priority)
  elseif lane and not lane_start(id, lane, queue, priority) then
    count(priority, queue, -1)
  else
    local fence, claim = '1', first_claim
    if last then
      fence = string.format('%d', fence_of(last) + 1)
      claim = fence .. ' ' .. NOW
    end
    call('HSET', key, 's', RUNNING, 'j', claim, 'w', worker)
    if expires then call('ZREM', EXPIRY, id) end
    if listeners then tell(id, listeners) end
    hold(id, queue, fence, needed, listeners or tally or waits or lane or unique)
    answer(id, queue, priority, fence, name, payload, options, tally, checkpoint)
  end
  return true
end

-- What field 'q' of a task in this line must be.
local function place_field(queue, priority)
  if priority ~= '0' then return queue .. ' ' .. priority end
  return queue ~= 'default' and queue
end

local looks, stale = want + LOOKS, STALE

local function is_done() return claimed >= want or looks <= 0 or stale <= 0 end

-- Claim from a line until it is empty or all is done; or look at its first one only.
local function claim_from(queue, priority, line, only_first)
  local place, before = place_field(queue, priority), claimed
  while not is_done() do
    local found = call('LPOP', line, only_first and 1 or math.min(want - claimed, looks, 5000))
    if not found then break end
    for at = 1, #found do
      if start(found[at], place, queue, priority) then looks = looks - 1 else stale = stale - 1 end
    end
    write_tails() -- the next ones of lanes
    if only_first then break end
  end
  if claimed > before then
    count(priority, queue, before - claimed)
    count('r', queue, claimed - before)
  end
end

local claim

do

local ageing = tonumber(ARGV[12])

-- By what the first one of a line is ordered among those of the others: the least goes first.
local function age_of(line, priority)
  local id = call('LINDEX', line, 0)
  if not id then return nil end
  local got = try('HMGET', RECORD .. id, 'c', 's')
  local created = not got.err and not got[2] and tonumber(got[1])
  return created and created - priority * ageing or -math.huge -- what is queued no more goes at once
end

local function claim_by_age(queue, lines)
  local ages = {}
  for priority = 9, 0, -1 do ages[priority] = age_of(lines[10 - priority], priority) end
  while not is_done() do
    local first
    for priority = 9, 0, -1 do
      if ages[priority] and (not first or ages[priority] < ages[first]) then first = priority end
    end
    if not first then return end
    local line = lines[10 - first]
    claim_from(queue, tostring(first), line, true)
    ages[first] = age_of(line, first)
  end
  if call('EXISTS', unpack(lines)) > 0 then ring(queue, 1) end
end

function claim()
  for _, queue in ipairs(queues) do
    local lines = {}
    for priority = 9, 0, -1 do lines[10 - priority] = line_key(queue, priority) end
    if ageing and not is_done() then claim_by_age(queue, lines) end
    local left = not is_done() and call('EXISTS', unpack(lines)) or 0
    local is_usual = left == 1 and call('EXISTS', lines[10]) == 1 -- nothing has a priority
    for priority = is_usual and 0 or 9, 0, -1 do
      if left > 0 and not is_done() then
        local line = lines[10 - priority]
        if call('EXISTS', line) == 1 then
          claim_from(queue, tostring(priority), line)
          -- What this worker leaves here is for another one.
          if is_done() and call('EXISTS', unpack(lines)) > 0 then ring(queue, 1) end
        end
      end
    end
  end
  if claimed > 0 then in_chunks('HSET', RUNS, held) end
end

end

-- The last trip's answer was lost: name again what is still held.
local function claim_again(last)
  for id in string.gmatch(last, '%S+') do
    local task = look(id)
    if held_by(task, worker) then
      local got = call('HMGET', task.key, 'p', 'o', 'h')
      answer(id, task.queue, task.priority, task.fence, task.name, got[1], got[2], task.tally, got[3])
    end
  end
end

local function is_hungry()
  if claimed >= want then return '0' end
  if not known[5] then return '1' end
  for _, queue in ipairs(queues) do call('SADD', hungry_key(queue), worker) end
  return '1'
end

-- --- the trip ---

local number, last = tonumber(trip), tonumber(known[1])
local all_ids = ''
if number < last then
  -- The late copy of a request that was given up: nobody reads this answer.
  return { '', '', '', '', '', {}, {}, {} }
elseif number == last then
  claim_again(known[3])
  all_ids = table.concat(ids, ' ')
else
  -- A first write that frees lets the rest pass in a full store, so that its workers can empty it.
  if known[4] == 'r' then call('DEL', bell_key(worker)) else call('PERSIST', OURS) end
  settle()
  local told = follow(MANY)
  wake_lanes()
  promote(LOOKS)
  write_tails()
  if want > 0 then
    take_back()
    claim()
  end
  follow(MANY - told)
  write_lanes()
  endings.write()
  all_ids = table.concat(ids, ' ')
  call('HSET', OURS, 't', trip, 'a', all_ids, 'h', is_hungry())
  write_counts()
  write_rings_of_parked()
  write_rings()
  write_news()
end

end_run()
return {
  first_due(),
  table.concat(refused, ' '),
  table.concat(call('ZRANGE', stops_key(worker), 0, -1), ' '),
  table.concat(runs, ' '),
  all_ids,
  any_payload and payloads or {},
  extras,
  any_options and options_of_runs or {},
}
