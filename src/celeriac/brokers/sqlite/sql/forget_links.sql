-- forget: In: seqs (JSON array).
delete from links where (parent, child) in (
    select parent, child from links where parent in (select value from json_each(?1))
    union
    select parent, child from links where child in (select value from json_each(?1))
)
