-- What tasks have logged: a list of lines for each attempt. Needs keys.

-- Call a function with the key of each list of lines that a task may have; *log* is field 'O' of its record. There are
-- lines of ten attempts at most, as `steering.LOG_ATTEMPTS` says.
local function each_log(id, log, act)
  local attempt = tonumber(string.match(log, '^%d+ (%d+)') or 0)
  for each = math.max(1, attempt - 9), attempt do act(log_key(id, string.format('%d', each))) end
end
