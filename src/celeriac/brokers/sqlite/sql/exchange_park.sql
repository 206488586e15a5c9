-- exchange: set a task aside whose name the worker does not know.
-- In: name, position among the parked of that name, seq.
update tasks set parked = ?, position = ? where seq = ?
