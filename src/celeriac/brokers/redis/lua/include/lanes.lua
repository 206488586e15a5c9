-- Lanes: who of the limited tasks stands where workers look, and who waits behind. Needs keys, counts, bells, lines.
-- A lane is a hash: r(ate), b(urst), c(oncurrency), t(okens) a(t) that moment, n how many of its tasks run; and by place,
-- which is "<queue> <priority>": 'f' where its first one stands in a line or is parked, 'w' where others wait and none stands.
-- Field 'L' of a record is the lane's name, rate, burst and concurrency, with spaces between and '-' for none.
local ENOUGH = 1 - 1e-6
local HELD = 'h' -- the state of a queued task that waits in its lane
local lanes, roomier = {}, {} -- those that this script has touched, by name; names of those that may have got room

local function numbers_of(text)
  local name, rate, burst, concurrency = string.match(text, '^(%S+) (%S+) (%S+) (%S+)$')
  return name, tonumber(rate), tonumber(burst) or 1, tonumber(concurrency)
end

local function refresh(lane)
  if lane.rate then
    lane.tokens = math.min(lane.burst, lane.tokens + math.max(0, now - lane.since) * lane.rate)
  else
    lane.tokens = lane.burst
  end
  lane.since = math.max(lane.since, now)
end

local function known_lane(name)
  if lanes[name] then return lanes[name] end
  local got = call('HGETALL', lane_key(name))
  if #got == 0 then return nil end
  local lane = { name = name, places = {}, gone = {} }
  local fields = { r = 'rate', b = 'burst', c = 'concurrency', t = 'tokens', a = 'since', n = 'running' }
  for at = 1, #got, 2 do
    if fields[got[at]] then lane[fields[got[at]]] = tonumber(got[at + 1]) else lane.places[got[at]] = got[at + 1] end
  end
  refresh(lane)
  lanes[name] = lane
  return lane
end

local function lane_of(text)
  local name, rate, burst, concurrency = numbers_of(text)
  local lane = known_lane(name)
  if not lane then
    lane = {
      name = name, rate = rate, burst = burst, concurrency = concurrency, tokens = burst, since = now, running = 0,
      places = {}, gone = {}, changed = true,
    }
    lanes[name] = lane
  end
  return lane
end

local function has_room(lane)
  return (not lane.concurrency or lane.running < lane.concurrency) and (not lane.rate or lane.tokens >= ENOUGH)
end

-- When a lane without tokens gets one; nil if that is not what it waits for.
local function wakes_at(lane)
  if not lane.rate or lane.concurrency and lane.running >= lane.concurrency then return nil end
  return lane.since + math.max(0, 1 - lane.tokens) / lane.rate
end

local function set_place(lane, place, value)
  lane.places[place] = value
  lane.gone[place] = not value or nil
  lane.changed = true
end

-- Limit a lane as the task says that was sent last.
local function learn_lane(text)
  local name, rate, burst, concurrency = numbers_of(text)
  local lane = lane_of(text)
  if lane.rate ~= rate or lane.burst ~= burst or lane.concurrency ~= concurrency then
    lane.rate, lane.burst, lane.concurrency = rate, burst, concurrency
    lane.tokens, lane.changed = math.min(lane.tokens, burst), true
    roomier[#roomier + 1] = name
  end
end

local function hold_task(lane, id, queue, priority, head)
  local place = queue .. ' ' .. priority
  call('HSET', RECORD .. id, 's', HELD)
  call(head and 'LPUSH' or 'RPUSH', held_key(lane.name, place), id)
  call('SADD', holding_key(queue), lane.name .. ' ' .. priority)
  count(HELD, queue, 1)
  if lane.places[place] ~= 'f' then set_place(lane, place, 'w') end
end

-- Let a task in that is to be queued; say whether it is the first one and has room: then it may join its line.
local function lane_enter(id, text, queue, priority, head)
  local lane, place = lane_of(text), queue .. ' ' .. priority
  if not lane.places[place] and has_room(lane) then
    set_place(lane, place, 'f')
    return true
  end
  if not lane.places[place] and wakes_at(lane) then ring(queue, 1) end -- whoever sleeps has to wake up for it
  hold_task(lane, id, queue, priority, head)
  return false
end

local function strike_held(lane, queue, priority)
  call('SREM', holding_key(queue), lane.name .. ' ' .. priority)
end

-- Take the first one that waits at a place; nil when there is none.
local function take_held(lane, queue, priority)
  local key = held_key(lane.name, queue .. ' ' .. priority)
  while true do
    local id = call('LPOP', key)
    if not id then
      strike_held(lane, queue, priority)
      return nil
    end
    local state = try('HGET', RECORD .. id, 's')
    if state == HELD then
      if call('EXISTS', key) == 0 then strike_held(lane, queue, priority) end
      return id
    end
  end
end

-- Let the next one stand where workers look, if there is room and nobody stands there.
local function let_next(lane, queue, priority)
  local place = queue .. ' ' .. priority
  if lane.places[place] ~= 'w' then return end
  lane.changed = true
  if not has_room(lane) then return end
  local id = take_held(lane, queue, priority)
  if not id then return set_place(lane, place, nil) end
  set_place(lane, place, 'f')
  count(HELD, queue, -1)
  call('HDEL', RECORD .. id, 's')
  to_tail(id, queue, priority)
end

-- The first one stands there no more.
local function no_first(lane, queue, priority)
  local place = queue .. ' ' .. priority
  if lane.places[place] ~= 'f' then return end
  set_place(lane, place, call('EXISTS', held_key(lane.name, place)) == 1 and 'w' or nil)
end

-- Let a queued task out that was the first one.
local function lane_leave(text, queue, priority)
  local lane = lane_of(text)
  no_first(lane, queue, priority)
  let_next(lane, queue, priority)
end

-- Let a queued task out that waited; *taken* when its id is in the list no more.
local SHORT_LANE = 1000

local function leave_held(id, text, queue, priority, taken)
  local lane, place = lane_of(text), queue .. ' ' .. priority
  local key = held_key(lane.name, place)
  count(HELD, queue, -1)
  if not taken and call('LLEN', key) <= SHORT_LANE then call('LREM', key, 1, id) end
  if call('EXISTS', key) == 0 then
    strike_held(lane, queue, priority)
    if lane.places[place] == 'w' then set_place(lane, place, nil) end
  end
  lane.changed = true
end

-- Take a token and a place for a first one; if there are none it waits, and the answer is false.
local function lane_start(id, text, queue, priority)
  local lane = lane_of(text)
  no_first(lane, queue, priority)
  if not has_room(lane) then
    hold_task(lane, id, queue, priority, true)
    return false
  end
  lane.tokens, lane.running, lane.changed = lane.tokens - 1, lane.running + 1, true
  let_next(lane, queue, priority)
  return true
end

-- Let a running task out; make_room gives its place to another one.
local function lane_stop(text)
  local lane = lane_of(text)
  lane.running, lane.changed = lane.running - 1, true
  roomier[#roomier + 1] = lane.name
end

-- Let the first ones of lanes that have got room stand where workers look.
local function make_room()
  local names = roomier
  roomier = {}
  for _, name in ipairs(names) do
    local lane, places = lanes[name], {}
    for place, value in pairs(lane.places) do
      if value == 'w' then places[#places + 1] = place end
    end
    table.sort(places, before)
    for _, place in ipairs(places) do
      local queue, priority = string.match(place, '^(%S+) (%d)$')
      let_next(lane, queue, priority)
    end
  end
end

-- Let those go whose time has come.
local function wake_lanes()
  local names = call('ZRANGEBYSCORE', WAKES, '-inf', NOW)
  table.sort(names, before)
  for _, name in ipairs(names) do
    local lane = known_lane(name)
    if lane then
      lane.changed = true
      roomier[#roomier + 1] = name
    else
      call('ZREM', WAKES, name)
    end
  end
  make_room()
end

local function number(value) return string.format('%.17g', value) end

local function write_lane(lane)
  local key, waits, fields, gone = lane_key(lane.name), false, {}, {}
  for place, value in pairs(lane.places) do
    fields[#fields + 1], fields[#fields + 2] = place, value
    if value == 'w' then waits = true end
  end
  local wakes = waits and wakes_at(lane)
  if wakes then call('ZADD', WAKES, number(wakes), lane.name) else call('ZREM', WAKES, lane.name) end
  for place in pairs(lane.gone) do gone[#gone + 1] = place end
  for field, value in pairs({ r = lane.rate or false, c = lane.concurrency or false }) do
    if value then fields[#fields + 1], fields[#fields + 2] = field, number(value) else gone[#gone + 1] = field end
  end
  call('HSET', key, 'b', number(lane.burst), 't', number(lane.tokens), 'a', number(lane.since), 'n', lane.running,
    unpack(fields))
  if #gone > 0 then call('HDEL', key, unpack(gone)) end
  if lane.running <= 0 and not next(lane.places) then -- nobody uses it: it is gone once it has all of its tokens
    local full = lane.rate and (lane.burst - lane.tokens) / lane.rate or 0
    call('PEXPIRE', key, string.format('%d', math.min(full * 1000 + 1, 1e12)))
  else
    call('PERSIST', key)
  end
end

-- Once all has been done, before counts and rings.
local function write_lanes()
  make_room()
  write_tails()
  for _, lane in pairs(lanes) do
    if lane.changed then write_lane(lane) end
  end
end

-- When something is due: the first scheduled task, or a lane that gets a token; '' for never.
local function first_due()
  local due, wakes = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2], call('ZRANGE', WAKES, 0, 0, 'WITHSCORES')[2]
  if due and wakes then return tonumber(due) <= tonumber(wakes) and due or wakes end
  return due or wakes or ''
end
