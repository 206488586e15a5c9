-- command: let go of the oldest that a worker was told and has not heard. In: worker, worker, how many stay.
delete from commands where worker = ? and number <= (
    select number from commands where worker = ? order by number desc limit 1 offset ?
)
