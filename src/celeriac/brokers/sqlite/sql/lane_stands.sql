-- Put a task that waited in its lane where workers look; its line is joined apart. In: position, seq.
update tasks set position = ? where seq = ?
