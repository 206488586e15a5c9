-- follow: In: limit.  Out: number, parent, the last dependant that was told; of what earlier steps left.
select number, parent, told from ended order by number limit ?
