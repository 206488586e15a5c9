-- write_log: In: what a line costs beside its text, seq, attempt.  Out: number, cost of its lines, by number.
select number, length(body) + ? from logs where seq = ? and attempt = ? order by number
