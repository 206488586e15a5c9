-- Look for tasks, along one walk.
-- KEYS, ARGV 1 to 4: include/keys.lua
-- ARGV: 5 the walk: 'r'unning, 'q'ueued, 's'cheduled, 'w'aiting, 'e'nded, 'o'lder failures (those trimmed from the list of
--   what has ended), 'f'ailed; 6 to 8 the place behind which to go on, '' from the start; 9 how many are looked at at most,
--   10 how many records at most; 11 the criteria as JSON: states (digits), queues, names, workers and ids (each empty for
--   any; names and workers cut at their stars), since, until, sent (numbers, if any)
-- Reply: how many were looked at, '1' when the walk is over, the place behind the last one (three); then of each that fits:
--   place (three), id, its record (fields and values)
-- Atomic: all of it; changes nothing
-- include: keys
-- include: dead
local walk, most, room = ARGV[5], tonumber(ARGV[9]), tonumber(ARGV[10])
local asked = cjson.decode(ARGV[11])
local STEP = 200

-- --- what fits ---

local function set_of(values)
  local set = {}
  for _, value in ipairs(values) do set[value] = true end
  return #values > 0 and set
end

local queues = set_of(asked.queues)

local function is_like(text, parts)
  local first, last = parts[1], parts[#parts]
  if #parts == 1 then return text == first end
  if #text < #first + #last or string.sub(text, 1, #first) ~= first then return false end
  if last ~= '' and string.sub(text, -#last) ~= last then return false end
  local at, final = #first + 1, #text - #last
  for number = 2, #parts - 1 do
    local _, to = string.find(text, parts[number], at, true)
    if not to or to > final then return false end
    at = to + 1
  end
  return true
end

local function any_like(text, patterns)
  if #patterns == 0 then return true end
  for _, parts in ipairs(patterns) do
    if is_like(text, parts) then return true end
  end
  return false
end

local function any_begins(id)
  if #asked.ids == 0 then return true end
  for _, start in ipairs(asked.ids) do
    if string.sub(id, 1, #start) == start then return true end
  end
  return false
end

local IN = { r = '3', s = '1', w = '0', o = '5', f = '5' }

local function is_in_state(state)
  if walk == 'q' then return not state or state == 'p' or state == 'h' end
  if walk == 'e' then
    return (state == '4' or state == '5' or state == '6') and string.find(asked.states, state, 1, true)
  end
  return state == IN[walk]
end

-- Of a record only what is asked for is read: state and name, and further fields by their number here.
local fields, number_of = { 's', 'n' }, {}

local function read_also(is_asked, ...)
  for _, field in ipairs(is_asked and { ... } or {}) do
    fields[#fields + 1] = field
    number_of[field] = #fields
  end
end

read_also(queues, 'q')
read_also(#asked.workers > 0, 'w')
local timed = asked.since or asked.till or asked.sent
read_also(timed, 'c', 'e', 'j')

local function is_in_time(moment, sent)
  return not ((asked.since and moment < asked.since) or (asked.till and moment >= asked.till)
    or (asked.sent and sent >= asked.sent))
end

local function fits(id, got)
  if got.err or not got[2] or not is_in_state(got[1]) then return false end
  if queues and not queues[string.match(got[number_of.q] or 'default', '^%S+')] then return false end
  if not any_like(got[2], asked.names) or not any_begins(id) then return false end
  if number_of.w and not any_like(got[number_of.w] or '', asked.workers) then return false end
  if not timed then return true end
  local sent = tonumber(got[number_of.c]) or 0
  local ended, started = tonumber(got[number_of.e]), string.match(got[number_of.j] or '', ' (.*)$')
  return is_in_time(ended or tonumber(started) or sent, sent)
end

-- --- what is looked at ---

local looked, last, found, over = 0, { ARGV[6], ARGV[7], ARGV[8] }, {}, false

-- Look at one; say whether there is room for more.
local function look_at(id, a, b, c)
  looked = looked + 1
  last[1], last[2], last[3] = a, b or '', c or ''
  local got = try('HMGET', RECORD .. id, unpack(fields))
  if fits(id, got) then found[#found + 1] = { last[1], last[2], last[3], id, call('HGETALL', RECORD .. id) } end
  -- What ended before the earliest moment is followed by nothing that ended later.
  if asked.since and walk == 'e' and not got.err then
    local ended = tonumber(got[number_of.e])
    over = ended and ended < asked.since or false
  end
  return looked < most and #found < room and not over
end

local function walk_running()
  local ids, behind = {}, ARGV[6]
  for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
    for _, id in ipairs(call('HKEYS', running_key(worker))) do
      if id ~= PAD and (behind == '' or before(id, behind)) then ids[#ids + 1] = id end
    end
  end
  table.sort(ids, function(one, other) return before(other, one) end)
  for _, id in ipairs(ids) do
    if not look_at(id, id) then return end
  end
  over = true
end

-- All lists in which queued tasks stand, below the root.
local function lists()
  local names, known = {}, {}
  for _, field in ipairs(call('HKEYS', COUNTS)) do
    local kind, queue = string.match(field, '^(%w):(.*)$')
    if kind and (not queues or queues[queue]) then
      if tonumber(kind) then names[#names + 1] = 'q:' .. kind .. ':' .. queue end
      if kind == 'p' then
        for _, name in ipairs(call('SMEMBERS', unknown_key(queue))) do
          names[#names + 1] = 'p:' .. queue .. ' ' .. name
        end
      elseif kind == 'h' then
        for _, holding in ipairs(call('SMEMBERS', holding_key(queue))) do
          local lane, priority = string.match(holding, '^(%S+) (%d)$')
          if lane then names[#names + 1] = 'm:' .. lane .. ' ' .. queue .. ' ' .. priority end
        end
      end
    end
  end
  table.sort(names)
  return names
end

-- How far from the tail of a list one stands that was met there before.
local function found_again(key, offset, id)
  local at = call('LPOS', key, id, 'RANK', -1, 'MAXLEN', 100000)
  return at and call('LLEN', key) - at or offset
end

local function walk_list(name, offset)
  local key = ROOT .. name
  while true do
    local ids = call('LRANGE', key, -(offset + STEP), -(offset + 1))
    for at = #ids, 1, -1 do
      offset = offset + 1
      if not look_at(ids[at], name, tostring(offset), ids[at]) then return false end
    end
    if #ids < STEP then return true end
  end
end

local function walk_queued()
  for _, name in ipairs(lists()) do
    if ARGV[6] == '' or not (name < ARGV[6]) then
      local is_here = name == ARGV[6]
      local offset = is_here and found_again(ROOT .. name, tonumber(ARGV[7]), ARGV[8]) or 0
      if not walk_list(name, offset) then return end
    end
  end
  over = true
end

-- Where in a sorted set to go on behind a score and an id, counted from the end at which the walk begins.
local function rank_behind(key, score, id, from_top)
  local rank = call(from_top and 'ZREVRANK' or 'ZRANK', key, id)
  if rank and call('ZSCORE', key, id) == score then return rank + 1 end
  return call('ZCOUNT', key, from_top and '(' .. score or '-inf', from_top and '+inf' or '(' .. score)
end

local function walk_set(key, from_top)
  local rank = ARGV[6] ~= '' and rank_behind(key, ARGV[6], ARGV[7], from_top) or 0
  while true do
    local entries = call('ZRANGE', key, rank, rank + STEP - 1, 'WITHSCORES')
    if from_top then entries = call('ZRANGE', key, rank, rank + STEP - 1, 'REV', 'WITHSCORES') end
    for at = 1, #entries, 2 do
      if not look_at(entries[at], entries[at + 1], entries[at]) then return end
    end
    rank = rank + STEP
    if #entries < 2 * STEP then
      over = true
      return
    end
  end
end

-- The list of what has ended: places are numbers that stay when its head is trimmed.
local function walk_ends()
  local first = tonumber(call('HGET', INDEX.trimmed, 'd') or 0)
  local at = ARGV[6] ~= '' and tonumber(ARGV[6]) - first or call('LLEN', INDEX.ends)
  while at > 0 do
    local from = math.max(0, at - STEP)
    local entries = call('LRANGE', INDEX.ends, from, at - 1)
    for number = #entries, 1, -1 do
      local mark, id = string.match(entries[number], '^([#!]?)(.*)$')
      local state, place = mark == '#' and '5' or mark == '!' and '6' or '4', string.format('%d', first + from + number - 1)
      if not string.find(asked.states, state, 1, true) then
        looked, last = looked + 1, { place, '', '' }
        if looked >= most then return end
      elseif not look_at(id, place) then
        return
      end
    end
    at = from
  end
  over = true
end

local function walk_dead()
  local from = ARGV[6] ~= '' and '(' .. ARGV[6] or '+'
  if from == '+' and walk == 'o' then
    local until_then = call('HGET', INDEX.trimmed, 'u')
    from = until_then and '[' .. moment_of(until_then) .. ' \255' or '-'
  elseif from == '+' and asked.till then
    from = '(' .. moment_of(asked.till)
  end
  local to = asked.since and '[' .. moment_of(asked.since) or '-'
  while from ~= '-' do
    local entries = call('ZRANGE', DEAD, from, to, 'BYLEX', 'REV', 'LIMIT', 0, STEP)
    for _, entry in ipairs(entries) do
      if not look_at(string.match(entry, ' (.*)$'), entry) then return end
    end
    if #entries < STEP then break end
    from = '(' .. entries[#entries]
  end
  over = true
end

if walk == 'r' then walk_running()
elseif walk == 'q' then walk_queued()
elseif walk == 's' then walk_set(DUE, false)
elseif walk == 'w' then walk_set(INDEX.waiting, true)
elseif walk == 'e' then walk_ends()
else walk_dead() end
return { looked, over and '1' or '', last, unpack(found) }
