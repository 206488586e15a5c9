-- forget: In: seqs (JSON array).
delete from links where (parent, child) in (
    with forgotten (seq) as materialized (select value from json_each(?))
    select parent, child from links where parent in (select seq from forgotten)
    union
    select parent, child from links where child in (select seq from forgotten)
)
