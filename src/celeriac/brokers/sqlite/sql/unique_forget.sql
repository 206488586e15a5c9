-- forget: In: seqs (JSON array).
delete from uniques where seconds is null and id in (
    select messages.id from json_each(?) as doomed cross join messages on messages.seq = doomed.value
)
