-- report: keep progress and checkpoint of a running task; null leaves a part as it is.
-- In: custom, meta, checkpoint, id, fence, worker. No row changes when the lease has passed on.
update tasks set custom = coalesce(?, custom), meta = coalesce(?, meta), checkpoint = coalesce(?, checkpoint)
where seq = (select seq from messages where id = ?) and fence = ? and worker = ? and state = 3
