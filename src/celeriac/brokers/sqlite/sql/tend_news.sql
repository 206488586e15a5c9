-- tend: drop old news. In: the number up to which they are old, limit.
delete from news where seq in (select seq from news where seq <= ? order by seq limit ?)
