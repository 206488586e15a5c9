-- Accepting messages, in runs as send.lua describes them. Needs keys, counts, bells, lines, lanes.
local queue, priority, new = nil, nil, 0
local fresh -- where a script wants to know: by id, of what is new, 'waits' or 'new'

-- Most often all ids of a run are new, which one command can tell.
local function none_known(from, messages, step)
  local keys, n = {}, 0
  for at = from, from + (messages - 1) * step, step do
    n = n + 1
    keys[n] = RECORD .. ARGV[at]
  end
  local known = 0
  for first = 1, n, 7000 do known = known + call('EXISTS', unpack(keys, first, math.min(first + 6999, n))) end
  return known == 0, keys
end

-- Said again because the first answer was lost: the record that we then wrote counts as new.
local function is_ours(key, name, created)
  local got = AGAIN and try('HMGET', key, 'n', 'c') or {}
  return got[1] == name and got[2] == created
end

local ready = {} -- by line: the ids for its tail

local function tail_of(line)
  local ids = ready[line]
  if not ids then
    call('LLEN', line)
    ids = {}
    ready[line] = ids
  end
  return ids
end

-- Write the record of the message at *at*: what it has for itself, and what its run has in common.
local function write_record(key, at, apart, payloads, first, final)
  if not apart and not payloads then
    call('HSET', key, unpack(ARGV, first, final))
  elseif not payloads then
    call('HSET', key, 'c', ARGV[at + 1], unpack(ARGV, first, final))
  elseif not apart then
    call('HSET', key, 'p', ARGV[at + 1], unpack(ARGV, first, final))
  else
    call('HSET', key, 'c', ARGV[at + 1], 'p', ARGV[at + 2], unpack(ARGV, first, final))
  end
end

local function send_run(at, messages)
  local eta, expires, limit, apart, payloads =
    ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3] == '1', ARGV[at + 4] == '1'
  local first, step = at + 6, 1 + ARGV[at + 3] + ARGV[at + 4]
  local from = first + ARGV[at + 5]
  local name = ARGV[first + (apart and 1 or 3)]
  local all_new, keys = none_known(from, messages, step)
  local waits = eta ~= '' and eta ~= 'w' and tonumber(eta) > now
  local tail = tail_of(line_key(queue, priority))
  local before = #tail
  for number = 1, messages do
    local here, key = from + (number - 1) * step, keys[number]
    if all_new or call('EXISTS', key) == 0 then
      new = new + 1
      write_record(key, here, apart, payloads, first, from - 1)
      if fresh then fresh[ARGV[here]] = eta == 'w' and 'waits' or 'new' end
      if eta == 'w' then
        call('ZADD', INDEX.waiting, apart and ARGV[here + 1] or ARGV[first + 1], ARGV[here])
        count('w', queue, 1)
      elseif waits then
        call('HSET', key, 's', '1', 'd', eta)
        await(ARGV[here], queue, eta)
      elseif limit == '' or lane_enter(ARGV[here], limit, queue, priority) then
        tail[#tail + 1] = ARGV[here]
      end
      if expires ~= '' then call('ZADD', EXPIRY, expires, ARGV[here]) end
    elseif is_ours(key, name, apart and ARGV[here + 1] or ARGV[first + 1]) then
      new = new + 1
    end
  end
  if #tail > before then
    count(priority, queue, #tail - before)
    ring(queue, #tail - before)
  end
  return from + messages * step
end

-- Where the run at *at* ends; its limit counts from now on.
local function learn_limit(at)
  if ARGV[at + 5] ~= '' then learn_lane(ARGV[at + 5]) end
  return at + 9 + ARGV[at + 8] + ARGV[at + 2] * (1 + ARGV[at + 6] + ARGV[at + 7])
end

-- Accept the runs from *at* on, to *last* or to the end; return how many messages were new.
local function send_runs(at, last)
  call('HLEN', COUNTS)
  last = last or #ARGV
  local here = at
  while here < last do here = learn_limit(here) end
  while at < last do
    queue, priority = ARGV[at], ARGV[at + 1]
    at = send_run(at + 3, tonumber(ARGV[at + 2]))
  end
  for line, ids in pairs(ready) do in_chunks('RPUSH', line, ids) end
  ready = {}
  return new
end
