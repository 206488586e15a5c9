-- extend: a task waits for more. In: how many, seq.
update waits set open = open + ? where seq = ?
