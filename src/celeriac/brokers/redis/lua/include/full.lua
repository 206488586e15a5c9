-- A server without memory refuses the first write of a script that needs some, and lets a script pass that has begun to
-- write. What adds no tasks begins with this, which changes nothing: so a full store can be worked empty. Needs keys.

local function begin_to_write() call('PERSIST', WORKERS) end
