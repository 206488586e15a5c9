-- Count a crash of a task that will not be run again. In: crashes, seq.
update tasks set crashes = ? where seq = ?
