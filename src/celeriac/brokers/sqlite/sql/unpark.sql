-- enlist, exchange: a parked task goes back into its line, which is joined apart. In: position, seq.
update tasks set parked = '', position = ? where seq = ?
