-- A task is no longer held: nobody needs to stop it. In: id.
delete from stops where id = ?
