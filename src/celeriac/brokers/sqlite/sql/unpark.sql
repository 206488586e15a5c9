-- enlist, exchange: put a parked task back into its line. In: position, seq.
update tasks set parked = '', position = ? where seq = ?
