-- listener: In: a number, limit.  Out: number, id, whether that was its last change; of what is newer.
select seq, id, final from news where seq > ? order by seq limit ?
