-- exchange: set a task aside whose name the worker does not know.
-- In: position among the parked of its name, seq.
update tasks set parked = 1, position = ? where seq = ?
