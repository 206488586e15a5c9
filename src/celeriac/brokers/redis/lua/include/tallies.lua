-- What is counted of tasks, in buckets of time; see tally.py. Needs keys.
-- A bucket is a hash of 'queue name', and text 'place:number place:number ...'.
local EVER, put_tally = '0', nil
do

-- Put numbers together: they add up, but of levels the highest counts.
local function put_together(old, new)
  local numbers, places = {}, {}
  for place, number in string.gmatch(old .. ' ' .. new, '(%d+):(%d+)') do
    place, number = tonumber(place), tonumber(number)
    local known = numbers[place]
    if not known then
      places[#places + 1], numbers[place] = place, number
    elseif place >= 16 and place < 32 then
      numbers[place] = math.max(known, number)
    else
      numbers[place] = known + number
    end
  end
  table.sort(places)
  for at, place in ipairs(places) do places[at] = string.format('%d:%.0f', place, numbers[place]) end
  return table.concat(places, ' ')
end

-- Which row is to be taken for one that a bucket does not have yet; tally.row_for.
local function row_for(queue, name, rows)
  if rows < 500 then return queue .. ' ' .. name end
  return (rows < 1000 and queue or '(other)') .. ' ' .. (name ~= '' and '(other)' or '')
end

function put_tally(step, moment, queue, name, numbers)
  local key, row = TALLY.bucket(step, moment), queue .. ' ' .. name
  local kept = call('HGET', key, row)
  if not kept then
    local rows = call('HLEN', key)
    if rows == 0 and step ~= EVER then call('ZADD', TALLY.moments(step), moment, moment) end
    row = row_for(queue, name, rows)
    kept = call('HGET', key, row) or ''
  end
  call('HSET', key, row, put_together(kept, numbers))
end
end
